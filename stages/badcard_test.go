package stages

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tlpipe/pipeline/exit"
)

// Models with a broken card are refused with the exit code of damage or wrong usage.
func TestBadCards(t *testing.T) {
	tryAll(t, "models", badCards(t), func(t *testing.T, data []byte) error {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "card.json"), data, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := OpenTrained(dir)
		if code := exit.Code(err); err != nil && code != exit.Damaged && code != exit.Usage {
			t.Errorf("exit code %d", code)
		}
		return err
	})
}

func badCards(t *testing.T) []badInput {
	text, err := os.ReadFile(filepath.Join(writeTrained(t, [3]int{8, 8, 3}, 6), "card.json"))
	if err != nil {
		t.Fatal(err)
	}
	with := func(path, value string) []byte {
		var card map[string]json.RawMessage
		if err := json.Unmarshal(text, &card); err != nil {
			t.Fatal(err)
		}
		part, key, inside := strings.Cut(path, ".")
		if !inside {
			card[part] = json.RawMessage(value)
		} else {
			var inner map[string]json.RawMessage
			if err := json.Unmarshal(card[part], &inner); err != nil {
				t.Fatal(err)
			}
			inner[key] = json.RawMessage(value)
			if card[part], err = json.Marshal(inner); err != nil {
				t.Fatal(err)
			}
		}
		changed, err := json.Marshal(card)
		if err != nil {
			t.Fatal(err)
		}
		return changed
	}
	const how = "how images become the model's input"
	cases := []badInput{
		{"whole", text, ""}, {"empty", nil, "damaged"}, {"null", []byte("null"), "no digest"}, {"list", []byte("[]"), "damaged"}, {"other JSON", []byte(`{"model": "resnet"}`), "no digest"},
		{"no digest", with("digest", `""`), "no digest"}, {"no signatures", with("signatures", "{}"), "no signatures"}, {"signatures of another kind", with("signatures", "[1]"), "damaged"},
		{"not trained", with("trained", "null"), "not trained"}, {"training of another kind", with("trained", "5"), "damaged"}, {"no classes", with("trained.classes", "[]"), how},
		{"classes of another kind", with("trained.classes", `"a"`), "damaged"}, {"no size", with("trained.decoded", "[0, 0, 0]"), how}, {"negative size", with("trained.decoded", "[-8, 8, 3]"), how},
		{"huge size", with("trained.decoded", "[1073741824, 1073741824, 3]"), how}, {"four channels", with("trained.decoded", "[8, 8, 4]"), how},
		{"crop beyond the image", with("trained.recipe", `{"crop": 9}`), how}, {"negative crop", with("trained.recipe", `{"crop": -9}`), how},
		{"no input", with("spec", `{"input": [0, 0]}`), how}, {"spec of another kind", with("spec", `"vgg16"`), "damaged"}, {"number too large", with("trained.decoded", "[1e30, 8, 3]"), "damaged"},
	}
	return append(cases, cuts("card", text, "damaged", 1, len(text)/2, len(text)-2)...)
}
