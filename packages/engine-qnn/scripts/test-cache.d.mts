/** Folder of the models that the tests compile, kept between runs and checkouts. */
export const compiledModelsFolder: string;
