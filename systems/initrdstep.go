package systems

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"sysc/derivations"
	"sysc/derivations/builtin"
	"sysc/store"
	"sysc/store/tree"
	"sysc/systems/initrd"
)

const initrdBuilder = "builtin:initrd"

// initrdAttrs is what "builtin:initrd" is told.
type initrdAttrs struct {
	Root     string `json:"root"`
	Platform string `json:"platform"`
	// Program is in it although the step has the program: another one makes another
	// initrd.
	Program store.Digest `json:"program"`
	Modules []string     `json:"modules,omitempty"`
}

// InitrdBuiltins returns the step that makes the initrds that [Compose] adds. program
// returns the first program for a platform.
func InitrdBuiltins(program func(platform string) ([]byte, error)) map[string]builtin.Func {
	return map[string]builtin.Func{initrdBuilder: func(ctx context.Context, s *builtin.Step) error {
		return makeInitrd(ctx, s, program)
	}}
}

// addInitrd adds the step for a definition with an initrd, and returns the placeholder
// of the directory that it stands in; "" for one without.
func addInitrd(g *derivations.Graph, def *Definition, root string, o derivations.Origin) (string, error) {
	if def.Initrd == nil {
		return "", nil
	}
	made, err := add(g, "initrd", initrdBuilder, o, initrdAttrs{
		Root: root, Platform: def.Platform, Program: def.Initrd.Program, Modules: def.Initrd.Modules,
	})
	return made.path, err
}

// makeInitrd is "builtin:initrd": its output is a directory with the initrd, under
// the name that it has in /boot.
func makeInitrd(ctx context.Context, s *builtin.Step, program func(platform string) ([]byte, error)) error {
	var attrs initrdAttrs
	if err := s.Attrs(&attrs); err != nil {
		return err
	}
	text, err := program(attrs.Platform)
	if err != nil {
		return err
	}
	if store.DigestOf(text) != attrs.Program {
		return errors.New("the initrd was asked for by a sysc with another first program: evaluate the definition with this one")
	}
	root, rest, err := s.Object(ctx, attrs.Root)
	if err != nil {
		return err
	}
	if root.Kind != store.KindRoot || rest != "" {
		return fmt.Errorf("make initrd of %s: a %s is not a root", attrs.Root, root.Kind)
	}
	m := Manifest{Root: Root{Path: root.Path, Tree: root.Tree}}
	if err := m.findKernel(ctx, s.Store); err != nil {
		return err
	}
	if m.Kernel == nil {
		return errors.New("the system has no kernel to make an initrd for: add a package such as linux-image-amd64, or set boot.initrd = \"distribution\"")
	}
	var b bytes.Buffer
	if err := initrd.Make(ctx, &b, s.Store, root.Tree, initrd.Request{Kernel: m.Kernel.Version, Program: text, Modules: attrs.Modules}); err != nil {
		return err
	}
	digest, size, err := s.Store.AddBlob(ctx, &b)
	if err != nil {
		return err
	}
	dir, err := s.Store.AddTree(ctx, &tree.Tree{Entries: []tree.Entry{
		{Name: initrdPrefix + m.Kernel.Version, Type: tree.File, Mode: 0o444, Size: size, Digest: digest},
	}})
	if err != nil {
		return err
	}
	s.SetTree(derivations.DefaultOutput, store.KindTree, dir, nil)
	return nil
}

// placeInitrds puts the files of a directory into the root's /boot, in place of those
// that have their names.
func (d *declarer) placeInitrds(ctx context.Context, dir string) error {
	if dir == "" {
		return nil
	}
	object, _, err := d.step.Object(ctx, dir)
	if err != nil {
		return err
	}
	files, err := d.step.Store.Tree(ctx, object.Tree)
	if err != nil {
		return err
	}
	for _, e := range files.Entries {
		if !IsInitrd(e.Name) || e.Type != tree.File {
			return fmt.Errorf("place initrd: %s is none", e.Name)
		}
		e.Mode = 0o644
		if err := d.builder.Put(ctx, "boot/"+e.Name, e); err != nil {
			return err
		}
	}
	return nil
}
