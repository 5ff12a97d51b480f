// Which backend is for whom: what the questionnaire asks, and the line of code in which it ends.

export interface Answer {
  /** The code, one line. */
  code: string;
  language: 'typescript' | 'rust';
  /** Whom it excludes. */
  excludes: string;
  /** What its callers should know. */
  note: string;
  /** Where to read on. */
  page: string;
}

export interface Place {
  id: string;
  label: string;
  reaches: (Answer & { id: string; label: string })[];
}

const everyTab = { id: 'tabs', label: 'Other tabs and workers of the site' };

export const places: Place[] = [
  {
    id: 'browser',
    label: 'JavaScript in a browser',
    reaches: [
      {
        ...everyTab,
        language: 'typescript',
        code: "const locks = await platformDefault({ namespace: 'wallet.01abcdef' });",
        excludes: 'All tabs and workers of one origin in one browser profile, by navigator.locks.',
        note: 'Needs https or localhost. Other browsers, profiles and private windows are not excluded: nothing in a browser reaches them.',
        page: './recipes/leader-among-tabs.html',
      },
      {
        id: 'page',
        label: 'Nobody but this page, or a test',
        language: 'typescript',
        code: 'const locks = new MemoryLockManager();',
        excludes: 'The tasks of this page or worker.',
        note: 'Nothing has to be there for it, and nothing else is reached.',
        page: './api/js/classes/MemoryLockManager.html',
      },
    ],
  },
  {
    id: 'node',
    label: 'JavaScript in Node, Bun, Deno or Electron',
    reaches: [
      {
        id: 'datadir',
        label: 'A second process, which is to be refused',
        language: 'typescript',
        code: "const locks = await platformDefault({ datadir: '/home/me/.wallet' });",
        excludes:
          'Every other process on this directory, which is refused and told the PID; and, by key, all threads of this one.',
        note: 'Native programs that use the crate are excluded as well. The kernel frees the directory when the process ends.',
        page: './recipes/daemon-and-cli.html',
      },
      {
        id: 'shared',
        label: 'A second process, which is to work beside it: a CLI and its daemon',
        language: 'typescript',
        code: "const locks = await SharedDatadirLockManager.open('/home/me/.wallet');",
        excludes: 'All processes on this directory, by key, native ones as well. None is refused.',
        note: 'State is read anew under each lock: the other process may have changed it.',
        page: './api/js/classes/SharedDatadirLockManager.html',
      },
      {
        id: 'threads',
        label: 'Other threads of this process',
        language: 'typescript',
        code: 'const locks = new MemoryLockManager();',
        excludes: 'All threads of the process, and all copies of the package in it.',
        note: 'Not Node’s own navigator.locks, which can grant one lock to two threads.',
        page: './api/js/classes/MemoryLockManager.html',
      },
    ],
  },
  {
    id: 'native',
    label: 'Rust, native',
    reaches: [
      {
        id: 'datadir',
        label: 'A second process, which is to be refused',
        language: 'rust',
        code: 'let locks = crosslock::platform_default("/home/me/.wallet")?;',
        excludes: 'Every other process on this directory; and, by key, all tasks and threads of this one.',
        note: 'For a wallet that keeps its state in memory. The refusal says who has the directory.',
        page: './api/rust/crosslock/fn.platform_default.html',
      },
      {
        id: 'shared',
        label: 'A second process, which is to work beside it: a CLI and its daemon',
        language: 'rust',
        code: 'let locks = crosslock::shared_datadir::SharedDatadirLockManager::new("/home/me/.wallet")?;',
        excludes: 'All processes on this directory, by key. None is refused.',
        note: 'On Linux, macOS, iOS, Android and Windows. State is read anew under each lock.',
        page: './recipes/daemon-and-cli.html',
      },
      {
        id: 'database',
        label: 'Other machines on one PostgreSQL database',
        language: 'rust',
        code: 'let locks = crosslock::postgres::PostgresLockManager::connect(options).await?;',
        excludes: 'All instances that lock in one schema of the database, with fencing tokens.',
        note: 'Call check in each transaction: then the commit of a holder that was cut off fails.',
        page: './docs/postgres.html',
      },
      {
        id: 'process',
        label: 'Nobody but this process, or a test',
        language: 'rust',
        code: 'let locks = crosslock::memory::MemoryLockManager::new();',
        excludes: 'The tasks and threads of this process.',
        note: 'Every instance has the same keys.',
        page: './api/rust/crosslock/memory/struct.MemoryLockManager.html',
      },
    ],
  },
  {
    id: 'wasm',
    label: 'Rust, compiled for the browser',
    reaches: [
      {
        ...everyTab,
        language: 'rust',
        code: 'let locks = crosslock::web_locks::WebLockManager::with_namespace("wallet.01abcdef");',
        excludes:
          'All tabs and workers of one origin in one browser profile, JavaScript with the same namespace as well.',
        note: 'Needs https or localhost.',
        page: './api/rust-web/crosslock/web_locks/struct.WebLockManager.html',
      },
      {
        id: 'page',
        label: 'Nobody but this page, or a test',
        language: 'rust',
        code: 'let locks = crosslock::memory::MemoryLockManager::new();',
        excludes: 'The tasks of this page or worker.',
        note: 'Nothing has to be there for it, and nothing else is reached.',
        page: './api/rust-web/crosslock/memory/struct.MemoryLockManager.html',
      },
    ],
  },
];
