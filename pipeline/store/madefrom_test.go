package store

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// makeFrom commits a text as the result of an action that read other artifacts.
func makeFrom(t *testing.T, s *Store, name, text string, inputs ...Artifact) Artifact {
	t.Helper()
	p, err := s.Begin(KeyID(testKey(name)))
	if err != nil {
		t.Fatal(err)
	}
	if err := put(p.Out, map[string]string{"text": text}); err != nil {
		t.Fatal(err)
	}
	r := testRecord(name)
	r.Stage = name
	for _, a := range inputs {
		r.Inputs = append(r.Inputs, a.ID)
	}
	a, err := p.Commit(r, "images", "")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestMadeFromDamage: whatever was made from a damaged artifact goes with it, and nothing else.
func TestMadeFromDamage(t *testing.T) {
	s := open(t)
	images := makeFrom(t, s, "decode", "images")
	other := makeFrom(t, s, "other", "other images")
	features := makeFrom(t, s, "featurize", "features", images)
	model := makeFrom(t, s, "fine-tune", "model", features, other)
	makeFrom(t, s, "evaluate", "report", model)
	makeFrom(t, s, "other features", "same features", other)
	twice := makeFrom(t, s, "classes", "two", images)
	makeFrom(t, s, "classes of others", "two", other) // made without what is damaged, too
	begun := unfinished(t, s, "begun")
	aside := unfinished(t, s, "not concerned")
	if err := begun.Uses([]string{other.ID, features.ID}); err != nil {
		t.Fatal(err)
	}
	if err := aside.Uses([]string{other.ID}); err != nil {
		t.Fatal(err)
	}
	force(t, filepath.Join(images.Dir, "text"), "IMAGES")

	damages, err := s.Verify(t.Context(), nil)
	if err != nil || len(damages) != 1 {
		t.Fatalf("%v, %v", damages, err)
	}
	made, err := s.MadeFrom(damages)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Drop(append(damages, made...)); err != nil {
		t.Fatal(err)
	}
	var gone []string
	for _, name := range []string{"decode", "other", "featurize", "fine-tune", "evaluate", "other features", "classes", "classes of others"} {
		if _, _, miss := look(t, s, KeyID(testKey(name))); miss != "" {
			gone = append(gone, name)
		}
	}
	if want := []string{"decode", "featurize", "fine-tune", "evaluate", "classes"}; !slices.Equal(gone, want) {
		t.Errorf("gone are %v, want %v", gone, want)
	}
	if _, err := s.Artifact(twice.ID); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(begun.Out); !os.IsNotExist(err) {
		t.Errorf("unfinished work that read what is damaged: %v", err)
	}
	if _, err := os.Stat(aside.Out); err != nil {
		t.Error(err)
	}
	wantClean(t, s)
	if made, err := s.MadeFrom(nil); err != nil || len(made) != 0 {
		t.Errorf("made of nothing: %v, %v", made, err)
	}
}
