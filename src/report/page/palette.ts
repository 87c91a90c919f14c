/**
 * The colours of both schemes, as data: five kinds that stay apart under every common colour blindness, and a ramp whose lightness tells the value by itself.
 *
 * Text has a contrast of 4.5 and more with what lies behind it, marks 3 and more (test/unit/report/palette.test.ts). Colour never says anything alone: plots have
 * shapes, labels and tables besides. Not here: which scheme is on (theme.ts).
 */

export type SchemeName = 'light' | 'dark';

/** What a mark can be; phases of a pass, groups of causes and series of plots all use these. */
export const kinds = ['blue', 'sky', 'amber', 'green', 'rose'] as const;
export type Kind = (typeof kinds)[number];
/** `muted`: what stands back, like a roof or a perfect line. */
export type Colour = Kind | 'muted';

export interface Scheme {
  readonly page: string;
  readonly surface: string;
  readonly sunken: string;
  readonly line: string;
  readonly text: string;
  readonly muted: string;
  readonly accent: string;
  readonly guess: string;
  readonly kinds: Readonly<Record<Kind, string>>;
  /** From little to much, to be blended in between. */
  readonly ramp: readonly string[];
}

export const schemes: Readonly<Record<SchemeName, Scheme>> = {
  light: {
    page: '#f4f5f7', surface: '#ffffff', sunken: '#eceef2', line: '#d3d8e0', text: '#1a1f29', muted: '#565f6e', accent: '#1d52c7', guess: '#8a4b00',
    kinds: { blue: '#1d52c7', sky: '#2199c4', amber: '#cc7a1c', green: '#1b5a24', rose: '#b0176e' },
    ramp: ['#fdf6d8', '#f2c879', '#d98a56', '#a9506a', '#632b73', '#200b4a'],
  },
  dark: {
    page: '#0e1116', surface: '#161b22', sunken: '#0f141b', line: '#323a46', text: '#e8ebf0', muted: '#a0a9b6', accent: '#8ab0ff', guess: '#ffc069',
    kinds: { blue: '#5474e8', sky: '#3eb7da', amber: '#f49a20', green: '#c5eac2', rose: '#d5428b' },
    ramp: ['#1a1238', '#4f2a74', '#95426f', '#d1704f', '#eeb45c', '#fdf3c4'],
  },
};

export const colourOf = (scheme: Scheme, colour: Colour): string => (colour === 'muted' ? scheme.muted : scheme.kinds[colour]);

export type Rgb = readonly [number, number, number];

/** Red, green and blue of `#rrggbb`, 0 to 255. */
export const rgbOf = (hex: string): Rgb => {
  const value = Number.parseInt(hex.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
};

export const linearOf = (channel: number): number => (channel / 255 <= 0.04045 ? channel / 255 / 12.92 : ((channel / 255 + 0.055) / 1.055) ** 2.4);

const luminance = (hex: string): number => {
  const [r, g, b] = rgbOf(hex);
  return 0.2126 * linearOf(r) + 0.7152 * linearOf(g) + 0.0722 * linearOf(b);
};

/** Contrast of two colours by the accessibility guidelines, 1 to 21. */
export const contrast = (one: string, other: string): number => {
  const [dark, light] = [luminance(one), luminance(other)].toSorted((a, b) => a - b) as [number, number];
  return (light + 0.05) / (dark + 0.05);
};

/** Black or white, whichever is read better on `hex`. */
export const inkOn = (hex: string): string => (contrast(hex, '#ffffff') >= contrast(hex, '#000000') ? '#ffffff' : '#000000');

/** The ramp in `size` steps, red, green, blue and full opacity one behind the other. */
export const rampBytes = (ramp: readonly string[], size: number): Uint8ClampedArray => {
  const stops = ramp.map(rgbOf), bytes = new Uint8ClampedArray(size * 4);
  for (let i = 0; i < size; i++) {
    const place = (i / Math.max(1, size - 1)) * (stops.length - 1);
    const below = Math.min(stops.length - 2, Math.floor(place)), share = place - below;
    const low = stops[below] as Rgb, high = stops[below + 1] as Rgb;
    for (let channel = 0; channel < 3; channel++) bytes[i * 4 + channel] = (low[channel] as number) * (1 - share) + (high[channel] as number) * share;
    bytes[i * 4 + 3] = 255;
  }
  return bytes;
};
