#!/usr/bin/env node
import { main } from './main.js';

// Whoever reads the output may have had enough of it (`models list | head -1`).
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});
process.exitCode = await main(process.argv.slice(2));
