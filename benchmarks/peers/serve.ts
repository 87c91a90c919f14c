/** The child's side of the protocol for peers that run in Node: lines in, lines out. Not here: the peers (tfjs.ts, onnx.ts). */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { peersFolder } from '../harness/paths.js';
import type { PeerAnswer, PeerCommand } from './protocol.js';

/** Loads what benchmarks/peers has installed. */
export const peerRequire = createRequire(join(peersFolder, 'package.json'));

const say = (answer: PeerAnswer): void => void process.stdout.write(`${JSON.stringify(answer)}\n`);

export const serve = async (handle: (command: PeerCommand) => Promise<PeerAnswer>): Promise<void> => {
  say({});
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      say(await handle(JSON.parse(line) as PeerCommand));
    } catch (error) {
      say({ error: error instanceof Error ? error.message : String(error) });
    }
  }
};
