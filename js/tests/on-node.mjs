// Has the shared tests be about the entry for Node, where this is imported before them.

globalThis[Symbol.for('crosslock/tests/entry')] = 'node.js';
