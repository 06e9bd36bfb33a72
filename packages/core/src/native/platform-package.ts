/** What {@link PlatformPackage} is asked for. */
export interface PlatformPackageRequest {
  /** Package that it belongs to: `@mobillm/engine-llamacpp`. */
  readonly packageName: string;
  /** Folder of that package; `undefined` where there is none (a bundle). */
  readonly packageRoot: string | undefined;
  /** What comes behind the platform in its name: `cuda`. Nothing by default. */
  readonly suffix?: string;
}

/** A package that holds something built for one platform. */
export interface PlatformPackage {
  /** Its name: `@mobillm/engine-llamacpp-linux-x64-cuda`. */
  readonly name: string;
  /** Its folder; `undefined` where it is not installed. */
  readonly folder: string | undefined;
  /**
   * Why it must not be loaded although it is there: it is of another version than the package that it
   * belongs to, and binaries of two versions do not understand each other.
   */
  readonly unfit?: string;
}
