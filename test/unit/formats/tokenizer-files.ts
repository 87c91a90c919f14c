/** Small tokenizer.json files for the tests, of the three kinds that models of the GPT-2 and Llama families come with. */

/** The byte characters of GPT-2, written as its authors did: printable ranges first, the rest numbered behind. */
export const byteCharacters: readonly string[] = (() => {
  const range = (from: string, to: string): number[] => Array.from({ length: to.charCodeAt(0) - from.charCodeAt(0) + 1 }, (_, i) => from.charCodeAt(0) + i);
  const known = [...range('!', '~'), ...range('¡', '¬'), ...range('®', 'ÿ')];
  const all = Array.from({ length: 256 }, (_, b) => b);
  const rest = all.filter((b) => !known.includes(b));
  return all.map((b) => String.fromCharCode(known.includes(b) ? b : 256 + rest.indexOf(b)));
})();

const vocabOf = (tokens: readonly string[]): Record<string, number> => Object.fromEntries(tokens.map((token, id) => [token, id]));
const special = (id: number, content: string) => ({ id, content, special: true, single_word: false, lstrip: false, rstrip: false, normalized: false });

const merges = ['h e', 'l l', 'he ll', 'hell o', 'Ġ w', 'o r', 'Ġw or', 'l d', 'Ġwor ld', 'Ã ¤', 'Ċ Ċ'];
const merged = merges.map((merge) => merge.replace(' ', ''));

/** GPT-2: ids 0 … 255 bytes, then merges, then <|endoftext|>. */
export const gpt2Like = () => ({
  version: '1.0',
  added_tokens: [special(256 + merges.length, '<|endoftext|>')],
  normalizer: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true },
  post_processor: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false },
  decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true },
  // As the oldest files: no type.
  model: { dropout: null, unk_token: null, continuing_subword_prefix: '', end_of_word_suffix: '', fuse_unk: false, vocab: { ...vocabOf([...byteCharacters, ...merged]), '<|endoftext|>': 256 + merges.length }, merges },
});

export const llama3Pattern = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

/** Llama 3: a splitting pattern, merges as pairs, a token in front of every prompt. */
export const llama3Like = () => ({
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: [special(300, '<|begin_of_text|>'), special(301, '<|end_of_text|>')],
  normalizer: null,
  pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Split', pattern: { Regex: llama3Pattern }, behavior: 'Isolated', invert: false }, { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false }] },
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<|begin_of_text|>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
    special_tokens: { '<|begin_of_text|>': { id: '<|begin_of_text|>', ids: [300], tokens: ['<|begin_of_text|>'] } },
  },
  decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: { type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ignore_merges: true, vocab: vocabOf([...byteCharacters, ...merged]), merges: merges.map((merge) => merge.split(' ')) },
});

/** Llama 2: characters with a mark for spaces, and bytes where a character has no token. */
export const llama2Like = () => {
  const bytes = Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`);
  const pairs = ['h e', 'l l', 'he ll', 'hell o', '▁ w', '▁w o'];
  return {
    version: '1.0',
    added_tokens: [special(0, '<unk>'), special(1, '<s>'), special(2, '</s>')],
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, { type: 'Replace', pattern: { String: ' ' }, content: '▁' }] },
    pre_tokenizer: null,
    post_processor: null,
    decoder: { type: 'Sequence', decoders: [{ type: 'Replace', pattern: { String: '▁' }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 0 }] },
    model: { type: 'BPE', dropout: null, unk_token: '<unk>', fuse_unk: true, byte_fallback: true, vocab: vocabOf(['<unk>', '<s>', '</s>', ...bytes, '▁', ...'abcdefghijklmnopqrstuvwxyz', ...pairs.map((pair) => pair.replace(' ', ''))]), merges: pairs },
  };
};
