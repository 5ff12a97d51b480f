// Virtual machines: a file server and its clients, on one network that can be cut.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const SERVER = '10.0.0.1';
const CLIENTS = { one: '10.0.0.2', two: '10.0.0.3' };

/** How long anything may take that does not wait for a lock, in milliseconds: everything is emulated. */
const LONG = 120_000;

/** Starts a server with leases of so many seconds, and two clients that mount its folder at /mnt. */
export async function start({ kernel, initrd, lease, mount, log }) {
  const folder = mkdtempSync(join(tmpdir(), 'crosslock-nfs-'));
  const machines = [];
  const boot = async (name, append, network) => {
    const machine = await Machine.boot({ name, folder, kernel, initrd, append, network, log });
    machines.push(machine);
    return machine;
  };
  const stop = () => {
    for (const machine of machines) machine.kill();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    // A hub with the server and a cable to each client. To cut a cable is a matter between hub and cable, so
    // neither side sees its link go down: as with a switch that fails, or a route.
    const cables = Object.keys(CLIENTS).flatMap((client) => [
      ...['-netdev', `stream,id=${client},server=on,addr.type=unix,addr.path=${join(folder, `${client}.cable`)}`],
      ...['-netdev', `hubport,id=port-${client},hubid=0,netdev=${client}`],
    ]);
    const hub = ['-netdev', 'hubport,id=port,hubid=0', '-device', 'virtio-net-pci,netdev=port,mac=52:54:00:00:00:01', ...cables];
    const server = await boot('server', `role=server address=${SERVER} lease=${lease}`, hub);
    await server.shell('cat /proc/fs/nfsd/threads');

    const clients = await Promise.all(
      Object.entries(CLIENTS).map(async ([name, address], number) => {
        const cable = `stream,id=cable,server=off,addr.type=unix,addr.path=${join(folder, `${name}.cable`)}`;
        const card = `virtio-net-pci,netdev=cable,mac=52:54:00:00:00:1${number}`;
        const client = await boot(name, `role=client address=${address}`, ['-netdev', cable, '-device', card]);
        const options = `${mount},addr=${SERVER},clientaddr=${address}`;
        await client.shell(`mount -t nfs4 -o ${options} ${SERVER}:/ /mnt`);
        return client;
      }),
    );
    const [one, two] = clients;
    const setCable = (client, up) => server.monitor({ execute: 'set_link', arguments: { name: client.name, up } });
    return { server, one, two, stop, cut: (client) => setCable(client, false), mend: (client) => setCable(client, true) };
  } catch (error) {
    stop();
    throw error;
  }
}

class Machine {
  #process;
  #ports = {};
  #asked = 0;

  static async boot({ name, folder, kernel, initrd, append, network, log }) {
    const machine = new Machine();
    machine.name = name;
    const ports = ['shell', 'agent-1', 'agent-2', 'monitor'];
    const path = (port) => join(folder, `${name}.${port}`);
    const channels = ports.flatMap((port) => [
      ...['-chardev', `socket,id=${port},server=on,wait=off,path=${path(port)}`],
      ...(port === 'monitor' ? ['-mon', 'chardev=monitor,mode=control'] : ['-device', `virtserialport,chardev=${port},name=${port}`]),
    ]);
    machine.#process = spawn(
      'qemu-system-x86_64',
      [
        // Emulated: that works within virtual machines too, and is fast enough. On a busy machine the emulated timer may
        // be late, which the kernel would take for a broken one: hence no_timer_check.
        ...['-accel', 'tcg', '-cpu', 'max', '-m', '256', '-nodefaults', '-display', 'none', '-no-reboot'],
        ...['-serial', 'stdio', '-device', 'virtio-serial', '-kernel', kernel, '-initrd', initrd],
        ...['-append', `console=ttyS0 panic=-1 no_timer_check ${append}`, ...channels, ...network],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const console = createWriteStream(join(log, `${name}.log`));
    machine.#process.stdout.pipe(console, { end: false });
    machine.#process.stderr.pipe(console, { end: false });
    machine.#process.once('close', () => {
      for (const port of Object.values(machine.#ports)) port.fail(`the machine ${name} has ended; ${log} has what it said`);
    });
    for (const port of ports) machine.#ports[port] = await Port.open(path(port));
    await machine.#ports.monitor.hear(({ QMP }) => QMP);
    await machine.monitor({ execute: 'qmp_capabilities' });
    await machine.shell('true');
    return machine;
  }

  /** Ends it as a loss of power does. */
  kill() {
    this.#process.kill('SIGKILL');
  }

  async monitor(command) {
    this.#ports.monitor.say(JSON.stringify(command));
    const answer = await this.#ports.monitor.hear((said) => said.return ?? said.error);
    if (answer.error) throw new Error(`${this.name}: ${answer.error.desc}`);
  }

  /** Runs a command in its shell, and returns what it prints. */
  async shell(command) {
    const end = `end-${++this.#asked}`;
    // What the shell is sent before it is there is not lost: the port keeps it.
    this.#ports.shell.say(`{ ${command}; } 2>&1; echo ${end} $?`);
    const printed = [];
    const line = await this.#ports.shell.hear((line) => line.startsWith(`${end} `) || void printed.push(line));
    if (line !== `${end} 0`) throw new Error(`${this.name}: \`${command}\` failed: ${printed.join('\n')}`);
    return printed.join('\n');
  }

  /** Starts a process that locks datadirs, the first or the second on this machine. */
  async agent(number) {
    const port = `/ports/agent-${number}`;
    const pid = await this.shell(`nfs-agent <>${port} >&0 2>/dev/ttyS0 & echo $!`);
    const agent = new Agent(this.#ports[`agent-${number}`], () => this.shell(`kill -9 ${pid}`));
    await agent.synchronize();
    return agent;
  }
}

/** A process that locks datadirs on a machine. */
class Agent {
  #port;
  #asked = 0;
  /** What its clock shows when ours shows zero, in milliseconds. */
  #offset = 0;
  kill;

  constructor(port, kill) {
    this.#port = port;
    this.kill = kill;
  }

  /** Finds out how its clock is to be read: by the question that was answered the fastest. */
  async synchronize() {
    let fastest = Infinity;
    for (let tries = 0; tries < 10; tries++) {
      const asked = performance.now();
      const { at } = await this.#ask('now');
      const answered = performance.now();
      if (answered - asked > fastest) continue;
      fastest = answered - asked;
      this.#offset += at - (asked + answered) / 2;
    }
  }

  /** Has it do something, and returns its answer. */
  async ask(command, timeout) {
    return (await this.#ask(command, timeout)).result;
  }

  /** The same with the time at which it was done, by our clock, in milliseconds. */
  async timed(command, timeout) {
    return this.#ask(command, timeout);
  }

  /** By our clock, a time that it told in microseconds. */
  byOurClock(micros) {
    return micros / 1000 - this.#offset;
  }

  async #ask(command, timeout) {
    const id = `${++this.#asked}`;
    this.#port.say(`${id} ${command}`);
    const line = await this.#port.hear((line) => line.startsWith(`${id} `), timeout);
    const [, micros, result] = line.match(/^\d+ (\d+) (.*)$/);
    return { result, at: this.byOurClock(Number(micros)) };
  }
}

/** Lines to and from a machine. */
class Port {
  #socket;
  #waits = new Set();
  #failures = new Set();

  static async open(path) {
    const port = new Port();
    port.#socket = await connected(path);
    const isMonitor = path.endsWith('monitor');
    createInterface({ input: port.#socket }).on('line', (line) => {
      const heard = isMonitor ? JSON.parse(line) : line;
      for (const wait of port.#waits) wait(heard);
    });
    port.#socket.on('error', () => {}); // of a machine that was killed
    return port;
  }

  /** Ends all that is waited for. */
  fail(reason) {
    for (const fail of this.#failures) fail(reason);
  }

  say(line) {
    this.#socket.write(`${line}\n`);
  }

  /** Resolves to the first line that `isIt`. */
  hear(isIt, timeout = LONG) {
    return new Promise((resolve, reject) => {
      const end = (settle, value) => {
        clearTimeout(timer);
        this.#waits.delete(wait);
        this.#failures.delete(fail);
        settle(value);
      };
      const wait = (heard) => isIt(heard) && end(resolve, heard);
      const fail = (reason) => end(reject, new Error(reason));
      const timer = setTimeout(fail, timeout, 'the machine does not answer');
      this.#waits.add(wait);
      this.#failures.add(fail);
    });
  }
}

/** A connection to a socket that qemu is about to make. */
async function connected(path) {
  const begun = performance.now();
  for (;;) {
    const socket = createConnection(path);
    try {
      await once(socket, 'connect');
      return socket;
    } catch (error) {
      if (performance.now() - begun > LONG) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
