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
package pipeline
