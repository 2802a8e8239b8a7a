package predict

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tlpipe/pipeline/exit"
	"tlpipe/stages/stagetest"
)

// Models with a broken card are refused with the exit code of damage or wrong usage.
func TestBadCards(t *testing.T) {
	stagetest.TryBadInput(t, "models", badCards(t), func(t *testing.T, data []byte) error {
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

func badCards(t *testing.T) []stagetest.BadInput {
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
	cases := []stagetest.BadInput{
		stagetest.Bad("whole", text, ""), stagetest.Bad("empty", nil, "damaged"), stagetest.Bad("null", []byte("null"), "no digest"), stagetest.Bad("list", []byte("[]"), "damaged"), stagetest.Bad("other JSON", []byte(`{"model": "resnet"}`), "no digest"),
		stagetest.Bad("no digest", with("digest", `""`), "no digest"), stagetest.Bad("no signatures", with("signatures", "{}"), "no signatures"), stagetest.Bad("signatures of another kind", with("signatures", "[1]"), "damaged"),
		stagetest.Bad("not trained", with("trained", "null"), "not trained"), stagetest.Bad("training of another kind", with("trained", "5"), "damaged"), stagetest.Bad("no classes", with("trained.classes", "[]"), how),
		stagetest.Bad("classes of another kind", with("trained.classes", `"a"`), "damaged"), stagetest.Bad("no size", with("trained.decoded", "[0, 0, 0]"), how), stagetest.Bad("negative size", with("trained.decoded", "[-8, 8, 3]"), how),
		stagetest.Bad("huge size", with("trained.decoded", "[1073741824, 1073741824, 3]"), how), stagetest.Bad("four channels", with("trained.decoded", "[8, 8, 4]"), how),
		stagetest.Bad("crop beyond the image", with("trained.recipe", `{"crop": 9}`), how), stagetest.Bad("negative crop", with("trained.recipe", `{"crop": -9}`), how),
		stagetest.Bad("no input", with("spec", `{"input": [0, 0]}`), how), stagetest.Bad("spec of another kind", with("spec", `"vgg16"`), "damaged"), stagetest.Bad("number too large", with("trained.decoded", "[1e30, 8, 3]"), "damaged"),
	}
	return append(cases, stagetest.Cuts("card", text, "damaged", 1, len(text)/2, len(text)-2)...)
}
