// npm run oldest: writes tests/versions/Cargo.lock, which has the oldest versions that Cargo.toml allows.

import { script } from './run.mjs';
import { writeOldest } from './versions.mjs';

await script(writeOldest);
