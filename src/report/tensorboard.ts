/**
 * TensorBoard: event files of scalars, written piece by piece while a run goes on.
 *
 *   point {step, wall seconds, tag → value} ─Event (protobuf)─▶ TFRecord frame: length, its checksum, data, its checksum ─▶ bytes to append
 *
 * An Event is {1: wall_time double, 2: step int64, 3: file_version string | 5: Summary}, a Summary {1: Value} again and again, a Value {1: tag string, 2: simple_value float}.
 * Checksums are CRC-32C (Castagnoli), masked. Wall times come from the caller. Not here: which file (cli/setup/outputs.ts), histograms, images.
 */
import type { Price } from '../timing/types.js';

/** Bytes that TFRecord's checksums are made of, reflected polynomial 0x82F63B78. */
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ 0x82f63b78;
  return value;
});

/** CRC-32C of RFC 3720. */
export const crc32c = (bytes: Uint8Array): number => {
  let value = 0xffffffff;
  for (const byte of bytes) value = (value >>> 8) ^ (crcTable[(value ^ byte) & 0xff] ?? 0);
  return (value ^ 0xffffffff) >>> 0;
};

/** Turned and moved, so that a checksum of bytes that hold checksums stays a good one. */
export const maskedCrc32c = (bytes: Uint8Array): number => {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
};

const text = new TextEncoder();
const joined = (parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> => {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

/** Whole numbers below 2^53, seven bits a byte. */
const varint = (value: number): Uint8Array => {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
};
const fixed = (bytes: 4 | 8, set: (view: DataView) => void): Uint8Array => {
  const view = new DataView(new ArrayBuffer(bytes));
  set(view);
  return new Uint8Array(view.buffer);
};
const uint32 = (value: number): Uint8Array => fixed(4, (view) => view.setUint32(0, value, true));

/** Fields by their wire types: 0 varint, 1 eight bytes, 2 bytes with their length, 5 four bytes. */
const key = (field: number, wireType: 0 | 1 | 2 | 5): Uint8Array => varint(field * 8 + wireType);
const int64Field = (field: number, value: number): Uint8Array => joined([key(field, 0), varint(value)]);
const doubleField = (field: number, value: number): Uint8Array => joined([key(field, 1), fixed(8, (view) => view.setFloat64(0, value, true))]);
const floatField = (field: number, value: number): Uint8Array => joined([key(field, 5), fixed(4, (view) => view.setFloat32(0, value, true))]);
const bytesField = (field: number, bytes: Uint8Array): Uint8Array => joined([key(field, 2), varint(bytes.length), bytes]);

const framed = (data: Uint8Array): Uint8Array => {
  const length = fixed(8, (view) => view.setBigUint64(0, BigInt(data.length), true));
  return joined([length, uint32(maskedCrc32c(length)), data, uint32(maskedCrc32c(data))]);
};

/** What an event file begins with. */
export const tensorBoardHeader = (wallSeconds: number): Uint8Array => framed(joined([doubleField(1, wallSeconds), bytesField(3, text.encode('brain.Event:2'))]));

/** Values of one step by their tags; a part of a tag before '/' is the card's section. */
export interface ScalarPoint {
  /** Seconds since 1970. */
  readonly wallSeconds: number;
  /** From 0. */
  readonly step: number;
  readonly values: Readonly<Record<string, number>>;
}

/** One event. Values are kept as floats, so NaN and infinities are themselves. */
export const tensorBoardPoint = ({ wallSeconds, step, values }: ScalarPoint): Uint8Array =>
  framed(joined([
    doubleField(1, wallSeconds), int64Field(2, step),
    bytesField(5, joined(Object.entries(values).map(([tag, value]) => bytesField(1, joined([bytesField(1, text.encode(tag)), floatField(2, value)]))))),
  ]));

/** A whole file. */
export const tensorBoardEvents = (wallSeconds: number, points: readonly ScalarPoint[]): Uint8Array<ArrayBuffer> => joined([tensorBoardHeader(wallSeconds), ...points.map(tensorBoardPoint)]);

/** The name of an event file: TensorBoard looks for `tfevents`, and reads files of a folder in the order of their names. */
export const tensorBoardFileName = (wallSeconds: number): string => `events.out.tfevents.${String(Math.floor(wallSeconds)).padStart(10, '0')}.waferstream`;

/** What is drawn of a training step. */
export interface StepFigures {
  readonly loss: number;
  readonly learningRate: number;
  readonly samples: number;
  readonly tokens: number;
  readonly seconds: number;
  readonly gradientNorm?: number;
  readonly lossScale?: number;
  readonly skipped?: boolean;
  readonly masksUpdated?: number;
  readonly sparsity?: number;
  readonly tiers?: { readonly readBytes: number; readonly writtenBytes: number; readonly waitedSeconds: number };
}

const given = (values: Readonly<Record<string, number | undefined>>): Record<string, number> => Object.fromEntries(Object.entries(values).filter((entry): entry is [string, number] => entry[1] !== undefined));

/** Tags of a training step. `host/`: the emulator's own time. */
export const stepValues = (step: StepFigures): Record<string, number> => given({
  'loss/training': step.loss, 'optimizer/learning rate': step.learningRate, 'optimizer/gradient norm': step.gradientNorm, 'optimizer/loss scale': step.lossScale,
  'optimizer/skipped': step.skipped === undefined ? undefined : Number(step.skipped),
  'sparsity/absent weights': step.sparsity, 'sparsity/masks changed': step.masksUpdated,
  'host/seconds a step': step.seconds, 'host/tokens a second': step.seconds > 0 ? step.tokens / step.seconds : undefined, 'host/samples a second': step.seconds > 0 ? step.samples / step.seconds : undefined,
  'flash/read bytes': step.tiers?.readBytes, 'flash/written bytes': step.tiers?.writtenBytes, 'flash/waited seconds': step.tiers?.waitedSeconds,
});

export const evaluationValues = ({ loss, perplexity }: { readonly loss: number; readonly perplexity: number }): Record<string, number> => ({ 'loss/evaluation': loss, 'loss/evaluation perplexity': perplexity });

/** Tags of a price: the same for every step, so one point says them. `predicted/`: the machine's time. */
export const priceValues = ({ step, flops, energy }: Price): Record<string, number> => ({
  'predicted/seconds a step': step.seconds, 'predicted/cycles a step': step.cycles, 'predicted/tokens a second': step.tokensPerSecond, 'predicted/samples a second': step.samplesPerSecond,
  'predicted/utilization': flops.utilization, 'predicted/FLOP a second': flops.achieved, 'predicted/dense-equivalent FLOP a second': flops.denseEquivalent,
  'predicted/joules a step': energy.joules, 'predicted/watts': energy.watts,
});
