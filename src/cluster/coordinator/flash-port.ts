/**
 * The coordinator's view of flash: pieces to and from rooms, over all lanes of all shards at once. Not here: who moves when (residence.ts), files (flash/).
 */
import type { FlashReply } from '../flash/protocol.js';
import type { FlashLane, Ledger } from './ports.js';

export interface FlashTotals {
  /** Bytes, and seconds that lanes spent on them. */
  readonly readBytes: number;
  readonly writtenBytes: number;
  readonly readSeconds: number;
  readonly writeSeconds: number;
  readonly commits: number;
  readonly commitSeconds: number;
}

export interface FlashPort {
  read(piece: number, version: number, memory: number, page: number): Promise<void>;
  write(piece: number, version: number, memory: number, page: number): Promise<void>;
  /** `text`: what the version says of itself; `power`: it survives power loss. */
  commit(version: number, text: string, power: boolean): Promise<void>;
  readonly totals: FlashTotals;
}

export const flashPort = (lanes: readonly FlashLane[], ledger: Ledger, textRoom: SharedArrayBuffer, acknowledge: (version: number) => void): FlashPort => {
  const totals = { readBytes: 0, writtenBytes: 0, readSeconds: 0, writeSeconds: 0, commits: 0, commitSeconds: 0 };
  const move = (type: 'flash.read' | 'flash.write', piece: number, version: number, memory: number, page: number): Promise<readonly FlashReply[]> =>
    Promise.all(lanes.filter((lane) => lane.has(piece)).map(({ ref }) => ledger.ask(ref, { type, piece, version, memory, page })));
  return {
    totals,
    async read(piece, version, memory, page) {
      for (const { bytes, seconds } of await move('flash.read', piece, version, memory, page)) {
        totals.readBytes += bytes;
        totals.readSeconds += seconds;
      }
    },
    async write(piece, version, memory, page) {
      for (const { bytes, seconds } of await move('flash.write', piece, version, memory, page)) {
        totals.writtenBytes += bytes;
        totals.writeSeconds += seconds;
      }
    },
    async commit(version, text, power) {
      const bytes = new TextEncoder().encode(text);
      new Uint8Array(textRoom).set(bytes);
      const done = await Promise.all(lanes.filter(({ lane }) => lane === 0).map(({ ref }) => ledger.ask(ref, { type: 'flash.commit', version, textBytes: bytes.length, durability: power ? 1 : 0 })));
      acknowledge(version);
      totals.commits++;
      totals.commitSeconds += Math.max(0, ...done.map(({ seconds }) => seconds));
    },
  };
};
