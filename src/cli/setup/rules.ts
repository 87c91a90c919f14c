/**
 * What options mean together: an option that would have no effect is refused, never ignored, and each refusal names it.
 *
 * Not here: how a single value is parsed (../options.ts).
 */
import { InvalidConfig } from '../../index.js';
import { flagOf, type OptionName, type Options } from '../options.js';

/** Refuses those of `names` that were given. @throws InvalidConfig */
export const refuse = (options: Options, names: readonly OptionName[], reason: string): void => {
  const name = names.find((candidate) => options[candidate] !== undefined);
  if (name !== undefined) throw new InvalidConfig({ what: `option ${flagOf(name)} ${reason}`, hint: 'leave it out' });
};

/** @throws InvalidConfig where one of two was given alone */
export const together = (options: Options, a: OptionName, b: OptionName): void => {
  if ((options[a] === undefined) !== (options[b] === undefined)) {
    throw new InvalidConfig({ what: `options ${flagOf(a)} and ${flagOf(b)} belong together`, hint: 'give both or neither' });
  }
};

/** A value that another one makes impossible. */
export const outside = (name: OptionName, value: unknown, limit: string): InvalidConfig => new InvalidConfig({ what: `option ${flagOf(name)}`, value, limit });
