package config

import (
	"github.com/invopop/jsonschema"
	"go.yaml.in/yaml/v3"
)

// bakery has every feature of settings that the package knows.
type bakery struct {
	Name  string `yaml:"name" jsonschema:"required,pattern=^[a-z][a-z0-9-]*$" jsonschema_description:"names the shop"`
	Seed  int64  `yaml:"seed" jsonschema:"minimum=0"`
	Ovens oven   `yaml:"ovens"`
	Steps steps  `yaml:"steps" kinds:"true"`
}

type oven struct {
	Count  int      `yaml:"count" jsonschema:"minimum=1,maximum=8"`
	Fuel   string   `yaml:"fuel" jsonschema:"enum=wood,enum=gas,enum=power"`
	Racks  words    `yaml:"racks" jsonschema_description:"one name or a list"`
	Size   []int    `yaml:"size" jsonschema:"minItems=2,maxItems=2"`
	Small  int8     `yaml:"small"`
	Door   door     `yaml:"door"`
	Manual string   `yaml:"manual" path:"true"`
	Notes  []string `yaml:"notes"`
}

type door struct {
	Open  bool    `yaml:"open"`
	Angle float64 `yaml:"angle" jsonschema:"minimum=0,exclusiveMaximum=180"`
}

type steps struct {
	Buy    *buy    `yaml:"buy" jsonschema_description:"get the flour"`
	Knead  *knead  `yaml:"knead"`
	BakeIt *bakeIt `yaml:"bake-it"`
}

type buy struct {
	Shops []shop `yaml:"shops"`
}

type shop struct {
	Name string `yaml:"name" jsonschema:"required"`
	List string `yaml:"list" path:"true"`
	Open int    `yaml:"open" jsonschema:"minimum=0,maximum=23"`
}

type knead struct {
	Minutes int                `yaml:"minutes" jsonschema:"minimum=1"`
	Seed    *int64             `yaml:"seed" jsonschema:"minimum=0"`
	Grams   map[string]float64 `yaml:"grams"`
	Dough   string             `yaml:"dough" jsonschema:"enum=wheat,enum=rye"`
}

type bakeIt struct {
	Heat   float64           `yaml:"heat" jsonschema:"exclusiveMinimum=0"`
	Labels map[string]string `yaml:"labels"`
}

func bakeryDefaults() bakery {
	return bakery{
		Seed:  1,
		Ovens: oven{Count: 1, Fuel: "gas", Racks: words{"middle"}, Size: []int{60, 40}, Door: door{Angle: 90}},
		Steps: steps{
			Buy:    &buy{},
			Knead:  &knead{Minutes: 10, Grams: map[string]float64{"flour": 500}},
			BakeIt: &bakeIt{Heat: 220.5},
		},
	}
}

// words are one word or a list of words.
type words []string

func (w *words) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*w = words{n.Value}
		return nil
	}
	return n.Decode((*[]string)(w))
}

func (w words) MarshalYAML() (any, error) {
	if len(w) == 1 {
		return w[0], nil
	}
	return []string(w), nil
}

func (words) JSONSchema() *jsonschema.Schema {
	one, least := &jsonschema.Schema{Type: "string"}, uint64(1)
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{one, {Type: "array", Items: one, MinItems: &least}}}
}
