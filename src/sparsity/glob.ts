/** Globs over parameter names: * is any run of characters, ? is one; everything else stands for itself, and the whole name must match. */

/** Walks both once; at a mismatch the last * takes one character more. */
export const matchesGlob = (glob: string, name: string): boolean => {
  let g = 0, n = 0, star = -1, taken = 0;
  while (n < name.length) {
    if (glob[g] === '*') [star, taken, g] = [g, n, g + 1];
    else if (g < glob.length && (glob[g] === '?' || glob[g] === name[n])) [g, n] = [g + 1, n + 1];
    else if (star >= 0) [taken, g, n] = [taken + 1, star + 1, taken + 1];
    else return false;
  }
  while (glob[g] === '*') g++;
  return g === glob.length;
};
