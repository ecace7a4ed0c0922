package modules

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"sysc/modules/option"
	"sysc/systems/distro/debian"
)

// maxPriority bounds priorities, as apt does.
const maxPriority = 32767

// priorityType is that of a priority: any but 0, which means nothing.
func priorityType() *option.Type {
	between := func(min, max int64) *option.Type {
		t, err := option.Between(big.NewFloat(float64(min)), big.NewFloat(float64(max)))
		if err != nil {
			panic("modules.priorityType: " + err.Error()) // the bounds are constant
		}
		return t
	}
	return option.Either(between(1, maxPriority), between(-maxPriority, -1))
}

// pinType is that of an element of an input's pins.
func pinType() *option.Type {
	name := mustPattern(`[a-z0-9*?][a-z0-9+.*?-]*`).Called("the name of a package, with * and ? for what may differ,")
	version := mustPattern(`[A-Za-z0-9.+~:-]+\*?`).Called("a version, or the beginning of one and *,")
	t, err := option.Object(
		option.Attr{Name: "packages", Type: option.List(name), Optional: true, Default: cty.ListValEmpty(cty.String)},
		option.Attr{Name: "suite", Type: option.String(), Optional: true, Default: cty.StringVal("")},
		option.Attr{Name: "version", Type: option.Either(version, mustPattern("")), Optional: true, Default: cty.StringVal("")},
		option.Attr{Name: "priority", Type: priorityType()},
	)
	if err != nil {
		panic("modules.pinType: " + err.Error()) // the names are constant
	}
	return t
}

// setPins takes priorities from the arguments of an input.
func (in *input) setPins(values map[string]cty.Value) {
	if v := values["priority"]; !v.IsNull() {
		in.priority = wholeNumber(v)
	}
	for it := values["pins"].ElementIterator(); it.Next(); {
		_, v := it.Element()
		in.pins = append(in.pins, debian.Pin{
			Packages: texts(v.GetAttr("packages")),
			Suite:    v.GetAttr("suite").AsString(),
			Version:  v.GetAttr("version").AsString(),
			Priority: wholeNumber(v.GetAttr("priority")),
		})
	}
}

// part is the input as a part of a universe, without packages.
func (in *input) part() debian.Part {
	return debian.Part{Input: in.name, Priority: in.priority, Pins: in.pins}
}

func wholeNumber(v cty.Value) int {
	n, _ := v.AsBigFloat().Int64() // a priority's type has only small whole numbers
	return int(n)
}

// pinTexts are the priorities as the lock file has them.
func (in *input) pinTexts() []string {
	var out []string
	for _, pin := range in.pins {
		text := in.name
		if pin.Suite != "" {
			text += "/" + pin.Suite
		}
		if len(pin.Packages) > 0 {
			text += " " + strings.Join(pin.Packages, " ")
		}
		if pin.Version != "" {
			text += " =" + pin.Version
		}
		out = append(out, fmt.Sprintf("%s: %d", text, pin.Priority))
	}
	if in.priority != 0 {
		out = append(out, fmt.Sprintf("%s: %d", in.name, in.priority))
	}
	return out
}
