import { describeCompiler } from '../../src/testing/describe-compiler.js';
import { compilerFaults } from './fixtures/fake-compiler.js';
import { fakeCompilerOptions } from './fixtures/fake-compiler-options.js';
import { describeNoticing } from './run-suite.js';

describeCompiler('a sound fake', fakeCompilerOptions());

describeNoticing(['compiler', 'compiler'], 'broken-compilers.fixture.ts', compilerFaults);
