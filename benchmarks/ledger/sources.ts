/**
 * Where the public numbers of the ledger stand: title, author or publisher, year, address. Pages were read for what the rows say of them, no further. Not here: the numbers.
 */

export interface Source {
  readonly title: string;
  readonly by: string;
  readonly year: number;
  readonly address: string;
}

const alcf = 'https://github.com/argonne-lcf', series = `${alcf}/ai-science-training-series/blob/548f22f1429c99f889c8c6255a941b62a76fbc97`;

export const sources = {
  announcement: {
    title: 'Cerebras Systems announces the world\'s first brain-scale artificial intelligence solution', by: 'Cerebras Systems', year: 2021,
    address: 'https://www.cerebras.ai/press-release/cerebras-systems-announces-worlds-first-brain-scale-artificial-intelligence-solution',
  },
  dataSheets: { title: 'Data sheets of WSE-1, WSE-2 and WSE-3 and of the systems around them', by: 'Cerebras Systems', year: 2024, address: 'https://www.cerebras.ai' },
  weightStreaming: {
    title: 'Weight streaming white paper and talks of the vendor', by: 'Cerebras Systems (Hall, Schreiber, Lie)', year: 2023,
    address: 'https://8968533.fs1.hubspotusercontent-na1.net/hubfs/8968533/Virtual%20Booth%20Docs/CS%20Weight%20Streaming%20White%20Paper.pdf',
  },
  matvecBenchmark: {
    title: 'Single tile matvec, a benchmark of the SDK\'s examples; its cycles in the vendor\'s simulator were read elsewhere', by: 'Cerebras Systems', year: 2023,
    address: 'https://github.com/Cerebras/csl-examples/tree/HEAD/benchmarks/single-tile-matvec',
  },
  simulatorTrace: { title: 'Instruction traces of the vendor\'s simulator', by: 'users of the vendor\'s SDK', year: 2024, address: 'https://github.com/Cerebras/csl-examples' },
  alcfExamples: { title: 'Example programs for Cerebras, all dated versions', by: 'Argonne Leadership Computing Facility, user guides', year: 2025, address: `${alcf}/user-guides/blob/HEAD/docs/ai-testbed/cerebras/example-programs.md` },
  alcfGptJ: { title: 'GPT-J on Cerebras, a hands-on page', by: 'Argonne Leadership Computing Facility, training series', year: 2024, address: `${series}/07_%20AITestbeds/Cerebras/gpt-j.md` },
  alcfGpt2: { title: 'GPT-2 on Cerebras, a hands-on page', by: 'Argonne Leadership Computing Facility, training series', year: 2024, address: `${series}/07_%20AITestbeds/Cerebras/gpt2.md` },
  alcfLlama2: { title: 'Llama 2 7B on Cerebras, a hands-on page', by: 'Argonne Leadership Computing Facility, training series', year: 2025, address: `${alcf}/ai-science-training-series/blob/HEAD/05-AITestbed/Cerebras/llama2-7b.md` },
  alcfFirstSteps: { title: 'Running a model on the CS-2 cluster', by: 'Argonne Leadership Computing Facility, user guides', year: 2023, address: `${alcf}/user-guides/blob/HEAD/docs/ai-testbed/cerebras/running-a-model-or-program.md` },
  userLogs: { title: 'Logs that users of Argonne\'s clusters published with their homework, and a hands-on page; read in stored copies whose own addresses are not known', by: 'participants of Argonne\'s training series', year: 2025, address: `${alcf}/ai-science-training-series` },
  cerebrasGpt: {
    title: 'Cerebras-GPT configurations: batch and number of systems of each model', by: 'Cerebras Systems, model zoo', year: 2024,
    address: 'https://github.com/Cerebras/modelzoo/blob/HEAD/src/cerebras/modelzoo/models/nlp/gpt3/README.md',
  },
  publicClusters: { title: 'Announcements of Andromeda and Condor Galaxy 1', by: 'Cerebras Systems, by way of allaboutcircuits.com and technopixel.org', year: 2023, address: 'https://www.allaboutcircuits.com/news/computing-on-andromeda-chip-company-releases-13.5m-core-supercomputer/' },
  sandia: {
    title: 'Cerebras demonstrates trillion parameter model training on a single CS-3 system', by: 'Cerebras Systems and Sandia National Laboratories, by way of aiwire.net and 4nownews.com', year: 2024,
    address: 'https://aiwire.net/2024/12/11/cerebras-demonstrates-trillion-parameter-model-training-on-a-single-cs-3-system',
  },
  flor: { title: 'Condor Galaxy powers FLOR 6.3B', by: 'aitech365.com', year: 2024, address: 'https://aitech365.com/?p=541086' },
  waferLlm: { title: 'WaferLLM: large language model inference at wafer scale (OSDI 2025)', by: 'He, Huang, Mu, Miao, Xue, Ma, Yang, Mai', year: 2025, address: 'https://arxiv.org/abs/2502.04563' },
  reduce: { title: 'Near-optimal wafer-scale reduce (HPDC 2024)', by: 'Luczynski, Gianinazzi, Iff, Wilson, De Sensi, Hoefler', year: 2024, address: 'https://arxiv.org/abs/2404.15888' },
  stencil: { title: 'Fast stencil-code computation on a wafer-scale processor (SC 2020)', by: 'Rocki, Van Essendelft, Sharapov and others', year: 2020, address: 'https://arxiv.org/abs/2010.03660' },
  fft: { title: 'Wafer-scale fast Fourier transforms', by: 'Orenes-Vera, Sharapov, Schreiber, Jacquelin, Vandermersch, Chetlur', year: 2022, address: 'https://arxiv.org/abs/2209.15040' },
  llmBenchmark: { title: 'Benchmarking the performance of large language models on the Cerebras wafer scale engine', by: 'Zhang, Parikh, Zhang, Prasanna', year: 2024, address: 'https://arxiv.org/abs/2409.00287' },
  spmm: { title: 'Exploring sparse matrix multiplication kernels on the Cerebras CS-3', by: 'authors as listed there', year: 2026, address: 'https://arxiv.org/abs/2604.27985' },
  iterativePruning: { title: 'Creating sparse GPT-3 models with iterative pruning', by: 'Cerebras Systems', year: 2022, address: 'https://www.cerebras.net/blog/creating-sparse-gpt-3-models-with-iterative-pruning' },
} as const satisfies Record<string, Source>;

export type SourceName = keyof typeof sources;
