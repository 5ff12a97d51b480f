// npm run nfs: locks on a real file server, with two machines as its clients. All three are virtual; tests/nfs has
// the tests, and says what they need.

import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { apt, install } from './apt.mjs';
import { Problem, output, root, run, say, script } from './run.mjs';
import { cache, rustTarget } from './setup.mjs';

const TARGET = 'x86_64-unknown-linux-musl'; // its programs need nothing of the machine that they run on
const KERNEL = 'linux-image-cloud-amd64';

/** The kernel's modules that the machines load, with those that these need: a small machine boots soon. */
const MODULES = [
  ...['fs/nfs', 'fs/nfsd', 'fs/lockd', 'fs/nfs_common', 'fs/fscache', 'fs/netfs', 'net/sunrpc', 'net/dns_resolver', 'net/core'],
  ...['drivers/net/virtio_net.ko', 'drivers/net/net_failover.ko', 'drivers/virtio', 'drivers/char/virtio_console.ko', 'crypto', 'lib'],
];

await script(async () => {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new Problem('the virtual machines are for Linux on x86-64 alone');
  await apt('machines');
  const kernel = await kernelImage();
  const work = mkdtempSync(join(tmpdir(), 'crosslock-nfs-build-'));
  try {
    const initrd = await image(kernel, await agent(), work);
    const env = { CROSSLOCK_NFS_KERNEL: join(kernel, 'vmlinuz'), CROSSLOCK_NFS_INITRD: initrd };
    await run(process.execPath, ['--test', '--test-reporter', 'spec', 'tests/nfs/nfs.test.mjs'], { env });
  } finally {
    rmSync(work, { recursive: true });
  }
});

/** The folder with Debian's kernel for virtual machines and its modules, which are not installed, but unpacked. */
async function kernelImage() {
  const folder = join(cache, 'nfs-kernel');
  if (existsSync(folder)) return folder;
  const depends = () => output('apt-cache', 'depends', KERNEL)?.match(/Depends: (linux-image-\S+)/)?.[1];
  if (!depends()) await install('the current package lists', ['apt-get', 'update', '-q']);
  const name = depends();
  if (!name) throw new Problem(`there is no package ${KERNEL} here, as Debian has it`);
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'nfs-kernel-'));
  try {
    say(`fetching ${name}`);
    await run('apt-get', ['download', '-q', name], { cwd: work });
    const file = readdirSync(work).find((file) => file.endsWith('.deb'));
    await run('dpkg-deb', ['--extract', file, 'unpacked'], { cwd: work });
    const [version] = readdirSync(join(work, 'unpacked/lib/modules'));
    const made = join(work, 'made');
    for (const part of MODULES) {
      const path = join('lib/modules', version, 'kernel', part);
      mkdirSync(join(made, dirname(path)), { recursive: true });
      cpSync(join(work, 'unpacked', path), join(made, path), { recursive: true });
    }
    const lists = readdirSync(join(work, 'unpacked/lib/modules', version)).filter((file) => file.startsWith('modules.'));
    for (const file of lists) {
      cpSync(join(work, 'unpacked/lib/modules', version, file), join(made, 'lib/modules', version, file));
    }
    cpSync(join(work, `unpacked/boot/vmlinuz-${version}`), join(made, 'vmlinuz'));
    renameSync(made, folder); // last: what was interrupted is done again
  } finally {
    rmSync(work, { recursive: true });
  }
  return folder;
}

/** The program that locks datadirs on the machines. */
async function agent() {
  await rustTarget(TARGET);
  // Symbols would make it ten times as large, and it goes through memory at each boot.
  const profile = ['--config', 'profile.dev.strip=true', '--config', 'profile.dev.debug=false'];
  await run('cargo', ['build', '--package', 'crosslock-nfs', '--target', TARGET, ...profile]);
  const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');
  return join(target, TARGET, 'debug/nfs-agent');
}

/** The file system that the machines start from. */
async function image(kernel, agent, work) {
  const machine = join(work, 'machine');
  for (const folder of ['bin', 'dev', 'export', 'mnt', 'proc', 'sys', 'tmp', 'var/lib/nfs/v4recovery']) {
    mkdirSync(join(machine, folder), { recursive: true });
  }
  cpSync(join(kernel, 'lib'), join(machine, 'lib'), { recursive: true });
  const [version] = readdirSync(join(kernel, 'lib/modules'));
  await run('/bin/busybox', ['depmod', '-b', machine, version]);
  cpSync('/bin/busybox', join(machine, 'bin/busybox'));
  cpSync(agent, join(machine, 'bin/nfs-agent'));
  cpSync(join(root, 'tests/nfs/machine/init'), join(machine, 'init'));
  const initrd = join(work, 'initrd');
  await run('sh', ['-c', 'find . | cpio --quiet -o -H newc | gzip -1 >"$0"', initrd], { cwd: machine });
  return initrd;
}
