/** The wheel that carries Qualcomm's libraries, and what of it is used. */
export const emulatorPin: {
  readonly requirement: string;
  readonly glibc: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly wheelBytes: number;
  readonly wheelSha256: string;
  readonly buildId: string;
  readonly entries: readonly {
    readonly name: string;
    readonly fileBytes: number;
    readonly sha256?: string;
  }[];
};
