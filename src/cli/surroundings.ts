/**
 * What the command line needs to know of the place where it runs, so that tests can give it another.
 *
 *   used by  program, replay-command; main fills it
 */
export interface Surroundings {
  stdout: NodeJS.WriteStream;
  stderr: NodeJS.WriteStream;
  /** The program of a lane's thread: it calls serveLane. */
  worker: URL;
  /** The folder of the traces that come with the package. */
  packagedTraces: string;
  version: string;
}
