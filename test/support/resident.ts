/**
 * A process that trains one model once and says how much of its memory was resident at most, in bytes.
 *
 *   arguments: dramBytes (0: all in DRAM, no flash), flash folder ─▶ "resident <bytes> state <bytes> digest <digest>"          who compares: laws/resident.test.ts
 */
import { adamW, Cluster, mlp } from '../../src/index.js';

const dramBytes = Number(process.argv[2]), flashDir = process.argv[3] as string;
const width = 1024, samples = 32;
// Nine layers of 4 MiB of weights: five times as much with their moments, next weights and gradients.
const model = mlp([64, ...Array.from({ length: 9 }, () => width), 10]);
const data = { kind: 'features' as const, inputs: Float32Array.from({ length: samples * 64 }, (_, i) => ((i * 31) % 17) / 17 - 0.5), labels: Int32Array.from({ length: samples }, (_, i) => i % 10) };
await using cluster = await Cluster.start({ dispatcher: 'local', threads: 1, ...(dramBytes === 0 ? {} : { memoryX: { dramBytes, flashDir } }) });
const { record } = await cluster.train(model, { data, optimizer: adamW(), steps: 2, batchSize: samples, seed: 1 }).finished;
process.stdout.write(`resident ${process.resourceUsage().maxRSS * 1024} state ${record.memory.stateBytes} digest ${record.weightsDigest}\n`);
