/** The version of waferstream, as what it writes says it. That of package.json: a test holds them together. */
export const waferstreamVersion = '0.2.0';
