// Package pipeline is the engine: it plans, runs and resumes a list of stages, and knows nothing about images or
// TensorFlow.
//
// The nouns:
//
//   - A stage is one step of a pipeline: a name, a version, typed settings, the artifact types it takes and gives, and
//     a Run method.
//   - An action is a stage with its full key: everything its result depends on. Its SHA-256 is the ActionID.
//   - An artifact is the result of an action: a directory of files with a manifest, named by its content.
//   - A claim is the right to do an action: two runs that want the same one do it once.
//   - A record says which artifact an action made. It is written last; without it the work is not done.
//   - A run is one invocation. What differs from run to run (times, host, paths) lives in its run record alone.
//   - Scratch is where an action's unfinished work lies, so that a killed run continues instead of starting over.
//
// The stages of a list form a graph: a stage takes artifacts of stages before it, and begins when these are committed. Others
// may work at the same time, where there is room: of those that work in the worker process, one at a
// time; and together no more memory than was free when nothing worked. What does not fit beside others waits until it is alone.
// After the first error nothing begins, and what works is told to stop. What is stored does not depend on which of them worked
// at a time, and a run with nothing to do tells so in the order of the list.
package pipeline
