package derivations

import (
	"fmt"
	"slices"
	"time"

	"sysc/store"
)

// The names of the limits, as definitions and messages have them.
const (
	AllowedReferences    = "allowed_references"
	AllowedRequisites    = "allowed_requisites"
	DisallowedReferences = "disallowed_references"
	DisallowedRequisites = "disallowed_requisites"
	MaxSize              = "max_size"
	MaxClosureSize       = "max_closure_size"
	Timeout              = "timeout"
	MaxSilence           = "max_silence"
	MaxLog               = "max_log"
	Memory               = "memory"
)

// Limits are what each output of a step may refer to and how large it may be. A
// result that breaks one of them is a failure of the step. The zero value limits
// nothing.
//
// The lists are sets of objects: placeholders or logical store paths, which make
// inputs as in any other text. References are what an output names itself,
// requisites are these and all that they refer to. The outputs of the step
// itself, too, may always be referred to, unless a list disallows them; there, and
// only there, such an output stands by its name. That an output names itself never
// counts.
type Limits struct {
	// References and Requisites list all that is allowed. nil allows anything, an
	// empty list nothing.
	References *[]string
	Requisites *[]string
	// DisallowedReferences and DisallowedRequisites list what is not.
	DisallowedReferences []string
	DisallowedRequisites []string
	// MaxSize bounds the sizes of an output's files together, in bytes, and
	// MaxClosureSize those of the output and of all its requisites. 0 means no bound.
	MaxSize        int64
	MaxClosureSize int64
}

// RunLimits are about an exec step while it runs; 0 means no bound, and nothing known.
// They cannot show in a result that there is, so other ones make nothing anew.
type RunLimits struct {
	// Timeout is how long the program may run, and Silence how long it may write
	// nothing. One that takes longer is killed, and has failed.
	Timeout, Silence time.Duration
	// Log is how much of what it writes is kept, in bytes; of what comes later, only
	// the last lines.
	Log int64
	// Memory is how much of it the step may need, in bytes: steps that say so begin
	// only as the machine has room for them together. It holds the program to nothing.
	Memory int64
}

// check reports a bound that is none.
func (l *RunLimits) check() error {
	switch {
	case l.Timeout < 0:
		return fmt.Errorf("%s of %v", Timeout, l.Timeout)
	case l.Silence < 0:
		return fmt.Errorf("%s of %v", MaxSilence, l.Silence)
	case l.Log < 0:
		return fmt.Errorf("%s of %d bytes", MaxLog, l.Log)
	case l.Memory < 0:
		return fmt.Errorf("%s of %d bytes", Memory, l.Memory)
	}
	return nil
}

// IsZero reports whether nothing is limited.
func (l *Limits) IsZero() bool {
	return l.References == nil && l.Requisites == nil && len(l.DisallowedReferences) == 0 && len(l.DisallowedRequisites) == 0 &&
		l.MaxSize == 0 && l.MaxClosureSize == 0
}

// texts calls fn with every element of the lists.
func (l *Limits) texts(fn func(text string)) {
	for _, list := range []*[]string{l.References, l.Requisites, &l.DisallowedReferences, &l.DisallowedRequisites} {
		if list == nil {
			continue
		}
		for _, text := range *list {
			fn(text)
		}
	}
}

// replaced returns a copy with every element of the lists replaced. The lists are
// sorted afterwards, each element once: they are sets, and neither the order in
// which somebody wrote them nor that of the placeholders may show in a hash.
func (l Limits) replaced(replace func(string) string) Limits {
	set := func(list []string) []string {
		out := make([]string, len(list)) // an empty list is not none
		for i, text := range list {
			out[i] = replace(text)
		}
		slices.Sort(out)
		return slices.Compact(out)
	}
	allowed := func(list *[]string) *[]string {
		if list == nil {
			return nil
		}
		out := set(*list)
		return &out
	}
	l.References, l.Requisites = allowed(l.References), allowed(l.Requisites)
	l.DisallowedReferences, l.DisallowedRequisites = set(l.DisallowedReferences), set(l.DisallowedRequisites)
	return l
}

func (d *Derivation) checkLimits() error {
	l := &d.Limits
	if d.Fixed != nil && !l.IsZero() {
		return fmt.Errorf("a result known beforehand takes no limits: it can refer to nothing, and its hash settles its size")
	}
	for _, list := range []struct {
		name     string
		elements *[]string
		outputs  []string // that may stand there by their names
	}{
		{AllowedReferences, l.References, nil},
		{AllowedRequisites, l.Requisites, nil},
		{DisallowedReferences, &l.DisallowedReferences, d.OutputNames()},
		{DisallowedRequisites, &l.DisallowedRequisites, d.OutputNames()},
	} {
		if list.elements == nil {
			continue
		}
		for _, text := range *list.elements {
			if _, rest, err := store.ParseLogical(text); (err != nil || rest != "") && !slices.Contains(list.outputs, text) {
				return fmt.Errorf("%s: %q: want the path of a store object", list.name, text)
			}
		}
	}
	switch {
	case l.MaxSize < 0:
		return fmt.Errorf("%s of %d bytes", MaxSize, l.MaxSize)
	case l.MaxClosureSize < 0:
		return fmt.Errorf("%s of %d bytes", MaxClosureSize, l.MaxClosureSize)
	}
	return nil
}

func (e *encoder) limits(l *Limits) {
	e.optional(l.References)
	e.optional(l.Requisites)
	e.texts(l.DisallowedReferences)
	e.texts(l.DisallowedRequisites)
	e.uint(uint64(l.MaxSize))
	e.uint(uint64(l.MaxClosureSize))
}

func (e *encoder) runLimits(l *RunLimits) {
	e.uint(uint64(l.Timeout))
	e.uint(uint64(l.Silence))
	e.uint(uint64(l.Log))
	e.uint(uint64(l.Memory))
}

// optional appends a list, or that there is none.
func (e *encoder) optional(list *[]string) {
	e.bool(list != nil)
	if list != nil {
		e.texts(*list)
	}
}
