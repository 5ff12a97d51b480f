// A tab in a frame: just its card.

import { Controls } from './controls.js';
import { byId, title } from './dom.js';
import { fitFrame } from './frames.js';
import { join } from './participant.js';

const { tab, locks } = await join(location.hash.slice(1) || null);
document.title = `Tab ${title(tab.name)}`;
byId('tab-name').textContent = title(tab.name);
byId('own').dataset.tab = tab.name;
new Controls(tab, locks, byId('own-controls'));
fitFrame(title(tab.name));
document.documentElement.dataset.ready = '';
