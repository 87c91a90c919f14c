/**
 * Peers in processes of their own: started, asked, ended. A peer that is not installed gives a reason instead.
 *
 *   bench ─JSON line─▶ stdin │ peer │ stdout ─JSON line─▶ bench            idle peers wait on stdin and cost nothing
 *
 * Not here: what is said (protocol.ts), the peers (tfjs.ts, onnx.ts, python_peer.py).
 */
import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { peersFolder } from '../harness/paths.js';
import type { PeerAnswer, PeerCommand } from './protocol.js';

export type PeerKind = 'tfjs-wasm' | 'onnxruntime-web' | 'numpy-openblas' | 'pytorch';

/** Kernels of OpenBLAS, by the processor that they were first made for: Haswell has AVX2. */
export type BlasCore = 'Haswell';

export interface Peer {
  readonly name: string;
  ask(command: PeerCommand): Promise<PeerAnswer>;
  close(): void;
}

/** What threading libraries read; which kernels OpenBLAS uses is left to its own detection (and to python_peer.py where that fails) unless asked for. */
const environment = (threads: number, core?: BlasCore): NodeJS.ProcessEnv => {
  const { OPENBLAS_CORETYPE: _core, NODE_OPTIONS: _options, ...rest } = process.env;
  const count = String(threads);
  const libraries = [process.env['BENCH_LIBRARY_PATH'], process.env['LD_LIBRARY_PATH']].filter((folder) => folder !== undefined && folder !== '').join(':');
  return { ...rest, ...(libraries === '' ? {} : { LD_LIBRARY_PATH: libraries }), ...(core === undefined ? {} : { OPENBLAS_CORETYPE: core }), OMP_NUM_THREADS: count, OPENBLAS_NUM_THREADS: count, MKL_NUM_THREADS: count, OMP_WAIT_POLICY: 'passive' };
};

const pythonWith = (module: string): string | null =>
  [process.env['PYTHON'] ?? 'python3', '/usr/bin/python3', 'python'].find((python) => spawnSync(python, ['-c', `import ${module}`], { stdio: 'ignore' }).status === 0) ?? null;

/** The command line of a peer, or why there is none. */
const commandOf = (kind: PeerKind, threads: number): readonly string[] | string => {
  if (kind === 'numpy-openblas' || kind === 'pytorch') {
    const module = kind === 'pytorch' ? 'torch' : 'numpy';
    const python = pythonWith(module);
    return python === null ? `no Python with ${module} is installed` : [python, join(peersFolder, 'python_peer.py'), module, String(threads)];
  }
  if (!existsSync(join(peersFolder, 'node_modules'))) return 'not installed: npm ci --prefix benchmarks/peers';
  const script = fileURLToPath(new URL(kind === 'tfjs-wasm' ? './tfjs.js' : './onnx.js', import.meta.url));
  return [process.execPath, script, String(threads)];
};

/** Starts a peer. Returns the reason where it is missing. */
export const startPeer = async (kind: PeerKind, threads: number, core?: BlasCore): Promise<Peer | string> => {
  const command = commandOf(kind, threads);
  if (typeof command === 'string') return command;
  const [file, ...args] = command;
  const child: ChildProcessWithoutNullStreams = spawn(file as string, args, { env: environment(threads, core) });
  const errors: string[] = [];
  child.stderr.on('data', (data: Buffer) => void errors.push(data.toString()));
  const waiting: ((answer: PeerAnswer) => void)[] = [];
  let gone: string | null = null;
  const leave = (why: string): void => {
    gone ??= why;
    for (const resolve of waiting.splice(0)) resolve({ error: gone });
  };
  child.on('error', (error) => leave(error.message));
  child.on('exit', () => leave(errors.join('').trim().split('\n').at(-1) ?? 'ended'));
  child.stdin.on('error', () => {});
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('{')) waiting.shift()?.(JSON.parse(line) as PeerAnswer);
  });
  const answer = (): Promise<PeerAnswer> => (gone === null ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve({ error: gone }));
  const ready = await answer();
  if (ready.error !== undefined) {
    child.kill();
    return ready.error;
  }
  return {
    name: `${kind}, ${threads} thread${threads === 1 ? '' : 's'}`,
    async ask(request) {
      const coming = answer();
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const reply = await coming;
      if (reply.error !== undefined) throw new Error(`${kind}: ${reply.error}`);
      return reply;
    },
    close: () => void child.kill(),
  };
};
