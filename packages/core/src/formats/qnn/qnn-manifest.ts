import type { KvLineage } from '../../kv/kv-snapshot.js';
import type { TransformerShape } from '../transformer-shape.js';

/** Name of the file that describes a compiled model, in the model's folder. */
export const qnnManifestFileName = 'qnn-model.json';

/** Version of the layout that this package writes and reads. */
export const qnnManifestVersion = 1;

/** The numbers of a model that its graphs were made from. */
export interface QnnModelParameters extends TransformerShape {
  /** Divides `heads`. */
  readonly kvHeads: number;
  /** Values in a head, even; all of them are rotated. */
  readonly headLength: number;
  /** Tokens in the vocabulary: the length of a row of logits. */
  readonly vocabularySize: number;
  /** Epsilon of the RMS norms. */
  readonly rmsEpsilon: number;
  /** Frequency base of the rotation. */
  readonly ropeBase: number;
  /** Factor on positions before the rotation: 1 for none. */
  readonly ropeScale: number;
  /** Context that the source was trained for, in tokens. */
  readonly trainedContextTokens: number;
  /** Number of weights of the source. */
  readonly parameterCount: number;
}

/** A graph of the context binary: so many tokens a call. */
export interface QnnGraph {
  /** Name in the binary. */
  readonly name: string;
  /** Tokens that one call appends; less than the context. */
  readonly tokens: number;
}

/** A context binary in the model's folder. */
export interface QnnBinary {
  /** Name of the file, without a path. */
  readonly file: string;
  /** Its size. */
  readonly bytes: number;
  /** Lower-case hexadecimal sha256 of its content. */
  readonly sha256: string;
}

/** What made the context binary, and for what. */
export interface QnnMadeWith {
  /** Build of the library, as it says itself: `v2.51.0.260929181845`. */
  readonly buildId: string;
  /** Version of its core API: `2.40.0`. */
  readonly coreApi: string;
  /** Version of its HTP API: `5.51.0`. */
  readonly backendApi: string;
  /** Qualcomm's number of the chip: 57 is SM8650. */
  readonly socModel: number;
  /** Hexagon version of that chip: 75 is V75. */
  readonly htpArch: number;
}

/** A compiled model as its manifest describes it, every value checked. */
export interface QnnManifest {
  /** The model's own name, where its source had one. */
  readonly name?: string;
  /** The weights that it was compiled from. */
  readonly derivedFrom: KvLineage;
  /** The numbers of the model. */
  readonly parameters: QnnModelParameters;
  /** Context that the graphs were made for, in tokens. */
  readonly contextTokens: number;
  /** Number format of weights, activations and cache. */
  readonly dtype: 'f16';
  /** Which values of a head the graphs rotate against each other. */
  readonly ropePairing: 'neox';
  /** Graphs; their `tokens` differ, and one has 1. */
  readonly graphs: readonly QnnGraph[];
  /** The context binary; a list, since larger models are split over several. */
  readonly binaries: readonly [QnnBinary];
  /** What made the binary. */
  readonly madeWith: QnnMadeWith;
  /** Whether graphs share one copy of the weights. */
  readonly sharedWeights: boolean;
}
