package dpkg

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/store"
)

// Builder is the name of the build step [Compose].
const Builder = "builtin:debian-root"

// A Layout is the attributes of the step.
type Layout struct {
	// Architecture is Debian's name of it.
	Architecture string `json:"architecture"`
	// Packages are what to lay out. Their order does not matter.
	Packages []Input `json:"packages"`
}

// An Input is one unpacked package.
type Input struct {
	Name string `json:"name"`
	// Tree is the path of an object with directories "control" and "data".
	Tree string `json:"tree"`
}

// Compose is the step "builtin:debian-root". Its attributes are a [Layout], its
// output is a root object in which every package is unpacked and none is
// configured.
func Compose(ctx context.Context, s *builtin.Step) error {
	var layout Layout
	if err := s.Attrs(&layout); err != nil {
		return err
	}
	packages, err := load(ctx, s, layout)
	if err != nil {
		return err
	}
	architectures := architecturesOf(layout.Architecture, packages)
	merged, err := merge(ctx, s.Store, architectures, packages)
	if err != nil {
		return err
	}
	digest, err := writeDatabase(ctx, s.Store, architectures, merged, packages)
	if err != nil {
		return fmt.Errorf("write dpkg's database: %w", err)
	}
	s.SetTree(derivations.DefaultOutput, store.KindRoot, digest, nil)
	return nil
}

// architecturesOf returns the architecture of a root, then those that packages have
// beside it, sorted.
func architecturesOf(own string, packages []*pkg) []string {
	var foreign []string
	for _, p := range packages {
		if p.label != p.name {
			foreign = append(foreign, p.architecture)
		}
	}
	slices.Sort(foreign)
	return append([]string{own}, slices.Compact(foreign)...)
}

// unpackOrder sorts packages as they are laid out: base-files first, whose links
// (/bin and the like) the others' files go through, then by name.
func unpackOrder(packages []*pkg) {
	slices.SortFunc(packages, func(a, b *pkg) int {
		if first := "base-files"; (a.name == first) != (b.name == first) {
			if a.name == first {
				return -1
			}
			return 1
		}
		return strings.Compare(a.label, b.label)
	})
}
