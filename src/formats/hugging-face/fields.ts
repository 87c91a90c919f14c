/**
 * Taking a config.json apart, field by field: each value is checked when it is taken, and at the end nothing that could compute may be left over.
 *
 *   fields.whole('n_layer', …), fields.fixed('add_cross_attention', …), …  ──▶ fields.finish(withoutEffect)  ──▶ names of the unknown fields that are switched off
 *
 * A field that is absent has the value that the transformers library gives it. Not here: what fields mean (gpt2.ts, llama.ts).
 */
import { InvalidConfig, NotEmulated } from '../../util/errors.js';
import { isObject, type JsonObject } from '../json.js';

/** Sizes that a model may have in one dimension. */
const sizeMax = 2 ** 24;

export class ConfigFields {
  readonly where: string;
  readonly #json: JsonObject;
  readonly #taken = new Set<string>();

  constructor(json: JsonObject, where: string) {
    this.#json = json;
    this.where = where;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#json, name);
  }

  /** The value as it stands, or undefined. */
  take(name: string): unknown {
    this.#taken.add(name);
    return this.has(name) ? this.#json[name] : undefined;
  }

  invalid(name: string, value: unknown, limit: unknown): InvalidConfig {
    return new InvalidConfig({ what: `field ${name}`, where: this.where, value: value ?? null, limit });
  }

  notEmulated(name: string, value: unknown, supported: unknown, hint?: string): NotEmulated {
    return new NotEmulated({ what: `field ${name} is not emulated with this value`, where: this.where, value: value ?? null, limit: supported, ...(hint === undefined ? {} : { hint }) });
  }

  /** A size. */
  whole(name: string, absent: number | null, max = sizeMax): number {
    const value = this.take(name) ?? (this.has(name) ? null : absent);
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > max) throw this.invalid(name, value, `a whole number from 1 to ${max}`);
    return value;
  }

  /** A size, or null where the field is null or absent. */
  wholeOrNull(name: string): number | null {
    return (this.take(name) ?? null) === null ? null : this.whole(name, null);
  }

  /** A finite number above 0. */
  positive(name: string, absent: number | null): number {
    const value = this.take(name) ?? (this.has(name) ? null : absent);
    if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) throw this.invalid(name, value, 'a number above 0');
    return value;
  }

  /** A probability below 1. */
  rate(name: string, absent: number): number {
    const value = this.take(name) ?? (this.has(name) ? null : absent);
    if (typeof value !== 'number' || !(value >= 0 && value < 1)) throw this.invalid(name, value, '0 ≤ rate < 1');
    return value;
  }

  flag(name: string, absent: boolean): boolean {
    const value = this.take(name) ?? (this.has(name) ? null : absent);
    if (typeof value !== 'boolean') throw this.invalid(name, value, 'true or false');
    return value;
  }

  /** One of the values that are emulated. */
  choice<T>(name: string, absent: string, supported: ReadonlyMap<string, T>): T {
    const value = this.take(name) ?? (this.has(name) ? null : absent);
    const meaning = typeof value === 'string' ? supported.get(value) : undefined;
    if (meaning === undefined) throw this.notEmulated(name, value, [...supported.keys()].join(', '));
    return meaning;
  }

  /** A field that must be absent or have one value; null counts as the value where `orNull`. */
  fixed(name: string, value: unknown, orNull = true): void {
    const given = this.take(name);
    if (given === undefined || given === value || (orNull && given === null)) return;
    throw this.notEmulated(name, given, `only ${JSON.stringify(value)}`);
  }

  /** A field that must be absent or empty: null, false, [] or {}. */
  empty(name: string): void {
    const given = this.take(name) ?? null;
    const isEmpty = given === null || given === false || (Array.isArray(given) && given.length === 0) || (isObject(given) && Object.keys(given).length === 0);
    if (!isEmpty) throw this.notEmulated(name, given, 'only null');
  }

  /**
   * Refuses every field that was not taken, has a value that is not null, false or 0, and is not known to have no effect on what is computed.
   *
   * @returns the unknown fields that are switched off.
   */
  finish(withoutEffect: ReadonlySet<string>): readonly string[] {
    const unknown = Object.keys(this.#json).filter((name) => !this.#taken.has(name) && !withoutEffect.has(name));
    for (const name of unknown) {
      const value = this.#json[name];
      if (value !== null && value !== false && value !== 0) {
        throw new NotEmulated({ what: `field ${name} is not known and may change what is computed`, where: this.where, value, limit: 'only null, false or 0', hint: 'take it out of the file if it has no effect' });
      }
    }
    return unknown;
  }
}

/** Fields of both families that say nothing about the numbers of a forward or backward pass. */
export const withoutEffect: readonly string[] = [
  // what the file is and who wrote it
  'architectures', 'model_type', 'transformers_version', '_name_or_path', '_commit_hash', 'tokenizer_class', 'task_specific_params', 'prefix', 'finetuning_task', 'problem_type',
  'id2label', 'label2id', 'num_labels',
  // how another program holds and calls the model
  'torch_dtype', 'dtype', 'use_bfloat16', 'torchscript', 'tf_legacy_loss', 'use_cache', 'gradient_checkpointing', 'output_attentions', 'output_hidden_states', 'output_scores', 'return_dict',
  'return_dict_in_generate', 'attn_implementation', '_attn_implementation', '_attn_implementation_autoset', 'pretraining_tp', 'chunk_size_feed_forward', 'is_decoder', 'keys_to_ignore_at_inference',
  // special ids; the row of `pad_token_id` learns like any other here
  'bos_token_id', 'eos_token_id', 'pad_token_id', 'sep_token_id', 'cls_token_id', 'unk_token_id', 'mask_token_id', 'decoder_start_token_id', 'forced_bos_token_id', 'forced_eos_token_id',
  // how text is drawn
  'do_sample', 'early_stopping', 'max_length', 'max_new_tokens', 'min_length', 'num_beams', 'num_beam_groups', 'num_return_sequences', 'diversity_penalty', 'temperature', 'top_k', 'top_p', 'typical_p',
  'repetition_penalty', 'length_penalty', 'no_repeat_ngram_size', 'encoder_no_repeat_ngram_size', 'bad_words_ids', 'suppress_tokens', 'begin_suppress_tokens', 'remove_invalid_values',
  'exponential_decay_length_penalty',
];

/** Fields of both families that turn another computation on. */
export const refuseOthers = (fields: ConfigFields): void => {
  fields.fixed('add_cross_attention', false);
  fields.fixed('is_encoder_decoder', false);
  fields.fixed('tie_encoder_decoder', false);
  for (const name of ['quantization_config', 'pruned_heads', 'auto_map', 'compression_config']) fields.empty(name);
};

/** How a config is read. */
export interface ConfigOptions {
  /** Tokens of a sample, from 2 up to what the config allows; all that it allows unless given. */
  readonly context?: number;
  /** 'off': all dropouts of the config are taken as 0, also the one inside attention, which is not emulated. 'as given' unless set. */
  readonly dropout?: 'as given' | 'off';
}

/** The context to build for. @throws InvalidConfig */
export const contextOf = (max: number, field: string, { context = max }: ConfigOptions, where: string): number => {
  if (!Number.isInteger(context) || context < 2 || context > max) throw new InvalidConfig({ what: `context for ${field} ${max}`, where, value: context, limit: `a whole number from 2 to ${max}` });
  return context;
};

/** Attention dropout, which only 0 and "off" pass. */
export const refuseAttentionDropout = (fields: ConfigFields, name: string, absent: number, { dropout }: ConfigOptions): void => {
  const rate = fields.rate(name, absent);
  if (rate !== 0 && dropout !== 'off') throw fields.notEmulated(name, rate, 0, "give dropout: 'off' to leave all dropouts out");
};
