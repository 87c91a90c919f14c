/**
 * Who may import whom. Each rule states its reason as its comment; ARCHITECTURE.md tells the same as a story.
 * Ranks: 0 util · 1 spec tensor trace · 2 actor stream kernels model storage · 3 sparsity · 4 compiler reference formats ·
 * 5 cluster timing · 6 plan report · 7 emulator · 8 testing index.ts · 9 cli. A folder imports itself and lower ranks.
 * sparsity/ stands above model/, whose plain descriptions of sparsity it resolves against a model.
 */
const ranks = [
  ['util'],
  ['spec', 'tensor', 'trace'],
  ['actor', 'stream', 'kernels', 'model', 'storage'],
  ['sparsity'],
  ['compiler', 'reference', 'formats'],
  ['cluster', 'timing'],
  ['plan', 'report'],
  ['emulator'],
  ['testing'],
];
const folders = ranks.flat();
const rankRules = ranks.flatMap((group, rank) =>
  group.map((folder) => {
    const allowed = [folder, ...ranks.slice(0, rank).flat()];
    const forbidden = folders.filter((f) => !allowed.includes(f)).concat(['cli', 'index\\.ts']);
    return {
      name: `rank-of-${folder}`,
      comment: `${folder}/ has rank ${rank}: it knows itself and what lies below, so that it can be read, tested and replaced alone.`,
      severity: 'error',
      // testing/ is a second public door: it stands on index.ts beside the command line.
      from: { path: `^src/${folder}/` },
      to: { path: folder === 'testing' ? '^src/cli/' : `^src/(${forbidden.join('|')})(/|$)` },
    };
  }),
);
const devices = ['coordinator', 'memoryx', 'flash', 'archive', 'swarmx', 'input', 'wafer', 'tile', 'generation'];

module.exports = {
  forbidden: [
    ...rankRules,
    {
      name: 'index-below-cli',
      comment: 'The public door never imports the command line, which is only one of its users.',
      severity: 'error',
      from: { path: '^src/index\\.ts$' },
      to: { path: '^src/cli/' },
    },
    ...devices.map((device) => ({
      name: `devices-meet-at-protocols-${device}`,
      comment: `${device}/ meets another device only at its protocol.ts: the protocol is the architecture, the rest is private.`,
      severity: 'error',
      from: { path: `^src/cluster/${device}/` },
      to: { path: `^src/cluster/(?!${device}/)[a-z]+/(?!protocol\\.ts$)` },
    })),
    {
      name: 'program-is-the-only-door-of-the-compiler',
      comment: 'The cluster and timing read program.ts alone, so that every placement decision is plain data in the program.',
      severity: 'error',
      from: { path: '^src/(cluster|timing)/' },
      to: { path: '^src/compiler/(?!program\\.ts$)' },
    },
    {
      name: 'oracle-shares-no-code',
      comment: 'reference/ judges the cluster: it shares no kernel, no sparsity code and no mapping with it.',
      severity: 'error',
      from: { path: '^src/reference/' },
      to: { path: '^src/(?!reference/|model/|tensor/|util/)' },
    },
    {
      name: 'devices-count-observers-price',
      comment: 'No device, kernel, actor or stream knows a cycle: timing/ prices finished traces.',
      severity: 'error',
      from: { path: '^src/(cluster|kernels|actor|stream)/' },
      to: { path: '^src/timing/' },
    },
    {
      name: 'threads-in-one-place',
      comment: 'worker_threads, piscina and comlink are details of the thread dispatcher.',
      severity: 'error',
      from: { path: '^(src|workers)/', pathNot: '^(src/actor/thread/|workers/)' },
      to: { path: '(^|/)(worker_threads|piscina|comlink)(/|$)' },
    },
    {
      name: 'workers-are-doors',
      comment: 'A worker entry holds no logic: it joins the actor runtime and the devices that it hosts.',
      severity: 'error',
      from: { path: '^workers/' },
      to: { path: '^src/(?!actor/|cluster/|emulator/)' },
    },
    {
      name: 'rxjs-carries-blocks-not-tiles',
      comment: 'RxJS carries blocks, layers and steps; tile messages are far too many for it.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(stream/|cluster/|emulator/|index\\.ts|testing/|cli/)' },
      to: { path: 'node_modules/rxjs' },
    },
    {
      name: 'no-rxjs-in-tiles',
      comment: 'A tile is a step function over flat messages.',
      severity: 'error',
      from: { path: '^src/cluster/tile/' },
      to: { path: 'node_modules/rxjs|^src/stream/' },
    },
    {
      name: 'fast-check-only-in-the-kit',
      comment: 'fast-check is an optional peer: only the kit may need it.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/testing/' },
      to: { path: 'node_modules/fast-check' },
    },
    {
      name: 'page-stands-alone',
      comment: 'The page of reports runs in a browser, bundled: of the project it may name types, and import preact, uplot and itself.',
      severity: 'error',
      from: { path: '^src/report/page/' },
      to: { path: '.', pathNot: '^src/report/page/|node_modules/(preact|uplot)/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'only-data-crosses-to-the-page',
      comment: 'Of the page the report imports how its data are packed, and nothing that draws.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/report/page/' },
      to: { path: '^src/report/page/(?!packed\\.ts$)' },
    },
    { name: 'no-cycles', comment: 'A cycle means that two files are one.', severity: 'error', from: {}, to: { circular: true } },
  ],
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'], extensions: ['.ts', '.tsx', '.js', '.mjs'] },
  },
};
