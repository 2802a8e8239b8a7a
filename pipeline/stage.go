package pipeline

import (
	"context"
	"os"
	"slices"

	"tlpipe/pipeline/progress"
	"tlpipe/pipeline/store"
)

// Stage is one step of a pipeline: a value that knows its settings and how to run.
type Stage struct {
	Name    string
	Version int      // raised whenever the same settings and inputs would give other bytes
	Takes   []string // artifact types, each given by an earlier stage
	Gives   string   // artifact type

	// Key returns what the result depends on besides the stage's name and version. in holds the artifacts the stage
	// takes, by type. The lines must not hold times, hosts or absolute paths.
	Key func(ctx context.Context, in Inputs) ([]store.Line, error)

	// Worker says that Run works in the worker process, as it needs a library that the command does not link. One worker works
	// at a time: it takes all cores.
	Worker bool

	// Auxiliary marks work that a user never lists as a stage of its own, such as the export of a model.
	Auxiliary bool

	// Run does the work: it fills job.Out and returns. It may find in job.Out and job.Scratch what an earlier, killed
	// attempt at the very same action left there, and should continue from it. It must stop soon after ctx is done.
	Run func(ctx context.Context, job *Job) error

	// Estimate, if set, says how many bytes the result will take, before the stage runs. in holds those of the artifacts
	// the stage takes that are stored; known is false where they do not tell.
	Estimate func(in Inputs) (bytes int64, known bool)

	// Fits, if set, refuses work that the machine has no memory for, or no file that it needs. It is asked before a run does anything, and again
	// before the stage runs.
	Fits func(ctx context.Context) error

	// Ahead, if set, is called when a run begins that will certainly run the stage: it may start what takes long to start.
	Ahead func(ctx context.Context)

	// Memory, if set, is about how many bytes Run takes at most. The engine has stages work at a time where there is room for all.
	Memory func() int64

	// Identity, if set, names the finished artifact for the keys of later stages by something else than its bytes: the
	// digest of a model's tensors, for one, where the files around them differ from export to export.
	Identity func(dir string) (string, error)

	// Check, if set, looks at the finished artifact each time the stage is reached, also when it was cached. An error
	// ends the run there but leaves the artifact (a missed gate, for one).
	Check func(a store.Artifact) error

	// Suits, if set, refuses an artifact that the stages which are to follow can do nothing with. It is asked as soon as
	// the artifact is stored, cached or not, and by whoever plans with it; later names those stages.
	Suits func(a store.Artifact, later []string) error
}

func (s *Stage) memory() int64 {
	if s.Memory == nil {
		return 0
	}
	return s.Memory()
}

// Inputs are the artifacts a stage takes, by artifact type.
type Inputs map[string]store.Artifact

// ids are the IDs of the artifacts, sorted.
func (in Inputs) ids() (ids []string) {
	for _, a := range in {
		ids = append(ids, a.ID)
	}
	slices.Sort(ids)
	return ids
}

// Job is one execution of a stage.
type Job struct {
	Action   store.ActionID     // what is executed
	Key      []store.Line       // what names the action, so that a stage can hold against it what it reads elsewhere
	Out      string             // the directory to fill; becomes the artifact when Run returns nil
	Scratch  string             // private to the action, removed after the commit: checkpoints, partial downloads
	Inputs   Inputs             // the artifacts the stage takes, by type; read-only
	Progress *progress.Reporter // the only way a stage speaks to the outside

	Claim     *os.File // the claim on the action; a process that works for the stage inherits it
	PeakBytes int64    // set by Launch: the most memory the process of the stage had resident; 0: not known
}
