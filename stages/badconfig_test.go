package stages

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tlpipe/pipeline/config"
	"tlpipe/stages/stagetest"
)

// Broken configs are refused with what is wrong.
func TestBadConfigs(t *testing.T) {
	stagetest.TryBadInput(t, "configs", badConfigs(), func(t *testing.T, data []byte) error {
		file := filepath.Join(t.TempDir(), "bad.yaml")
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
		_, _, err := config.Load([]string{file}, nil, Defaults)
		if problems := (config.Problems)(nil); err != nil && !errors.As(err, &problems) {
			t.Errorf("not a list of problems: %v", err)
		}
		return err
	})
}

func badConfigs() []stagetest.BadInput {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%[1]c [%[2]s]\n", c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 9), ","))
	}
	stage := func(text string) []byte { return []byte("name: a\nstages: [{" + text + "}]\n") }
	return []stagetest.BadInput{
		stagetest.Bad("empty", nil, "there is nothing here"), stagetest.Bad("bomb of aliases", []byte(bomb), "more than 10000 values"), stagetest.Bad("alias of itself", []byte("name: &a [*a]"), "contains itself"),
		stagetest.Bad("unknown alias", []byte("name: *gone"), "gone"), stagetest.Bad("merge of itself", []byte("model: &m {<<: *m}"), "m"), stagetest.Bad("a key twice", []byte("name: a\nname: b"), "name"),
		stagetest.Bad("a stage twice", []byte("name: a\nstages: [{decode: {}}, {decode: {}}]"), "decode"), stagetest.Bad("a setting twice", stage("decode: {size: 1, size: 2}"), "size"),
		stagetest.Bad("huge integer", []byte("name: a\nseed: 99999999999999999999999999"), "seed"), stagetest.Bad("huge float", stage("fine-tune: {optimizer: {learning_rate: 1e999}}"), "learning_rate"),
		stagetest.Bad("not a number", stage("fine-tune: {optimizer: {learning_rate: .nan}}"), "learning_rate"), stagetest.Bad("infinity", stage("fine-tune: {optimizer: {learning_rate: .inf}}"), "learning_rate"),
		stagetest.Bad("negative", []byte("name: a\nthreads: -1"), "threads"), stagetest.Bad("text for a number", stage("decode: {size: many}"), "expected integer"),
		stagetest.Bad("fraction for an integer", stage("decode: {size: 1.5}"), "expected integer"), stagetest.Bad("list for a text", []byte("name: [a]"), "name"),
		stagetest.Bad("mapping for a list", []byte("name: a\nstages: {decode: {}}"), "stages"), stagetest.Bad("text for a mapping", []byte("name: a\nmodel: vgg16"), "model"),
		stagetest.Bad("a list", []byte("- a\n- b"), "mapping"), stagetest.Bad("a text", []byte("hello"), "mapping"), stagetest.Bad("tag of Python", []byte("name: !!python/object/apply:os.system [x]"), "python"),
		stagetest.Bad("unknown stage", stage("deocde: {}"), "decode"), stagetest.Bad("unknown key", stage("decode: {sise: 1}"), "size"), stagetest.Bad("tab", []byte("model:\n\tinput: 1"), "tab"),
		stagetest.Bad("two documents", []byte("name: a\n---\nname: b"), "document"), stagetest.Bad("NUL", []byte("name: a\x00b"), "bad.yaml"), stagetest.Bad("latin-1", []byte("name: caf\xe9"), "UTF-8"),
		stagetest.Bad("UTF-16", []byte("\xff\xfen\x00a\x00m\x00e\x00"), "UTF-8"), stagetest.Bad("byte order mark", []byte("\xef\xbb\xbfname: a"), ""), stagetest.Bad("deep", []byte("name: "+strings.Repeat("[", 10_000)), "YAML"),
		stagetest.Bad("megabytes", []byte("name: "+strings.Repeat("x", 2<<20)), "larger than"), stagetest.Bad("bad name", []byte("name: ../up"), "name"), stagetest.Bad("only a comment", []byte("# nothing"), "there is nothing here"),
		stagetest.Bad("binary", []byte("\x7fELF\x02\x01\x01"), "bad.yaml"), stagetest.Bad("unclosed", []byte("name: \"a"), "YAML"),
	}
}
