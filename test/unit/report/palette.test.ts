/**
 * Colours of reports: contrast by the accessibility guidelines, and distance under simulated colour blindness.
 *
 * Distances are Euclidean in OKLab, of linear colours turned by the matrices of Machado, Oliveira and Fernandes (2009) for complete blindness.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { contrast, inkOn, linearOf, rampBytes, rgbOf, schemes } from '../../../src/report/page/palette.js';

type Three = readonly [number, number, number];
const turned = (m: readonly [Three, Three, Three], [r, g, b]: Three): Three => m.map(([x, y, z]) => Math.min(1, Math.max(0, x * r + y * g + z * b))) as unknown as Three;
const sights: Readonly<Record<string, readonly [Three, Three, Three]>> = {
  full: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  'no red': [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  'no green': [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  'no blue': [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};
const oklab = ([r, g, b]: Three): Three => {
  const [l, m, s] = [0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b, 0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b, 0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b].map(Math.cbrt) as unknown as Three;
  return [0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s, 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s, 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s];
};
const seen = (hex: string, sight: readonly [Three, Three, Three]): Three => oklab(turned(sight, rgbOf(hex).map(linearOf) as unknown as Three));
const apart = (a: Three, b: Three): number => Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);

for (const [name, scheme] of Object.entries(schemes)) {
  test(`${name}: text can be read and marks be seen`, () => {
    for (const ground of [scheme.page, scheme.surface, scheme.sunken]) for (const ink of ['text', 'muted', 'accent', 'guess'] as const) assert.ok(contrast(scheme[ink], ground) >= 4.5, `${ink} on ${ground}: ${contrast(scheme[ink], ground)}`);
    for (const [kind, colour] of Object.entries(scheme.kinds)) {
      for (const ground of [scheme.surface, scheme.sunken]) assert.ok(contrast(colour, ground) >= (ground === scheme.surface ? 3 : 2.7), `${kind} on ${ground}: ${contrast(colour, ground)}`);
      assert.ok(contrast(inkOn(colour), colour) >= 4.5, `text on ${kind}`);
    }
  });

  test(`${name}: kinds stay apart under every sight`, () => {
    const kinds = Object.entries(scheme.kinds);
    for (const [sight, matrix] of Object.entries(sights)) {
      for (const [i, [one, a]] of kinds.entries()) for (const [other, b] of kinds.slice(i + 1)) assert.ok(apart(seen(a, matrix), seen(b, matrix)) >= 0.1, `${sight}: ${one} and ${other} are ${apart(seen(a, matrix), seen(b, matrix)).toFixed(3)} apart`);
    }
  });

  test(`${name}: the ramp's lightness goes one way, under every sight`, () => {
    const bytes = rampBytes(scheme.ramp, 64), steps = Array.from({ length: 64 }, (_, i) => `#${Array.from(bytes.slice(i * 4, i * 4 + 3), (channel) => channel.toString(16).padStart(2, '0')).join('')}`);
    for (const [sight, matrix] of Object.entries(sights)) {
      const lightness = steps.map((step) => seen(step, matrix)[0]), sign = Math.sign((lightness.at(-1) as number) - (lightness[0] as number));
      for (let i = 1; i < lightness.length; i++) assert.ok(sign * ((lightness[i] as number) - (lightness[i - 1] as number)) > 0, `${sight}: step ${i}`);
      assert.ok(Math.abs((lightness.at(-1) as number) - (lightness[0] as number)) > 0.6);
    }
    assert.ok(sights['full'] !== undefined && Math.sign(contrast(steps[0] as string, scheme.surface) - contrast(steps.at(-1) as string, scheme.surface)) < 0, 'little blends with the surface');
  });
}
