package stages

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tlpipe/pipeline/config"
)

// Broken configs are refused with what is wrong.
func TestBadConfigs(t *testing.T) {
	tryAll(t, "configs", badConfigs(), func(t *testing.T, data []byte) error {
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

func badConfigs() []badInput {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%[1]c [%[2]s]\n", c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 9), ","))
	}
	stage := func(text string) []byte { return []byte("name: a\nstages: [{" + text + "}]\n") }
	return []badInput{
		{"empty", nil, "there is nothing here"}, {"bomb of aliases", []byte(bomb), "more than 10000 values"}, {"alias of itself", []byte("name: &a [*a]"), "contains itself"},
		{"unknown alias", []byte("name: *gone"), "gone"}, {"merge of itself", []byte("model: &m {<<: *m}"), "m"}, {"a key twice", []byte("name: a\nname: b"), "name"},
		{"a stage twice", []byte("name: a\nstages: [{decode: {}}, {decode: {}}]"), "decode"}, {"a setting twice", stage("decode: {size: 1, size: 2}"), "size"},
		{"huge integer", []byte("name: a\nseed: 99999999999999999999999999"), "seed"}, {"huge float", stage("fine-tune: {optimizer: {learning_rate: 1e999}}"), "learning_rate"},
		{"not a number", stage("fine-tune: {optimizer: {learning_rate: .nan}}"), "learning_rate"}, {"infinity", stage("fine-tune: {optimizer: {learning_rate: .inf}}"), "learning_rate"},
		{"negative", []byte("name: a\nthreads: -1"), "threads"}, {"text for a number", stage("decode: {size: many}"), "expected integer"},
		{"fraction for an integer", stage("decode: {size: 1.5}"), "expected integer"}, {"list for a text", []byte("name: [a]"), "name"},
		{"mapping for a list", []byte("name: a\nstages: {decode: {}}"), "stages"}, {"text for a mapping", []byte("name: a\nmodel: vgg16"), "model"},
		{"a list", []byte("- a\n- b"), "mapping"}, {"a text", []byte("hello"), "mapping"}, {"tag of Python", []byte("name: !!python/object/apply:os.system [x]"), "python"},
		{"unknown stage", stage("deocde: {}"), "decode"}, {"unknown key", stage("decode: {sise: 1}"), "size"}, {"tab", []byte("model:\n\tinput: 1"), "tab"},
		{"two documents", []byte("name: a\n---\nname: b"), "document"}, {"NUL", []byte("name: a\x00b"), "bad.yaml"}, {"latin-1", []byte("name: caf\xe9"), "UTF-8"},
		{"UTF-16", []byte("\xff\xfen\x00a\x00m\x00e\x00"), "UTF-8"}, {"byte order mark", []byte("\xef\xbb\xbfname: a"), ""}, {"deep", []byte("name: " + strings.Repeat("[", 10_000)), "YAML"},
		{"megabytes", []byte("name: " + strings.Repeat("x", 2<<20)), "larger than"}, {"bad name", []byte("name: ../up"), "name"}, {"only a comment", []byte("# nothing"), "there is nothing here"},
		{"binary", []byte("\x7fELF\x02\x01\x01"), "bad.yaml"}, {"unclosed", []byte("name: \"a"), "YAML"},
	}
}
