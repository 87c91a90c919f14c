/**
 * The text dump of a module, for debugging and for tests that read the code: `console.log(await watOf(buildModule({ width: '128', names: true })))`.
 *
 * wabt reads, validates and prints; it shares nothing with the assembler. Not here: the assembler.
 */
import wabt from 'wabt';

const features = { simd: true, threads: true, bulk_memory: true };

/** Validates the bytes with wabt and prints them as WebAssembly text. */
export const watOf = async (bytes: Uint8Array): Promise<string> => {
  const { readWasm } = await wabt();
  const module = readWasm(bytes, { readDebugNames: true, ...features });
  try {
    // The declared type leaves out that it takes features, and without them it knows no shared memory.
    (module.validate as (features: object) => void).call(module, features);
    module.applyNames();
    return module.toText({ foldExprs: false, inlineExport: false });
  } finally {
    module.destroy();
  }
};
