package modules

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"sysc/derivations"
	"sysc/lang/diag"
	"sysc/systems"
)

// A Wanted is a way to name what is wanted of a definition.
type Wanted int

const (
	// WantTargets is what each name stands for: see [Request.Names].
	WantTargets Wanted = iota
	// WantOne is the one thing that the only name stands for.
	WantOne
	// WantSystem is a system or home, with its definition: for which one a name stands,
	// [Project.SystemAddress] says.
	WantSystem
	// WantEnvironment is an environment, the only one when the name is "".
	WantEnvironment
	// WantAll is everything that can be built, without names.
	WantAll
)

// A Request says what is wanted of a definition.
type Request struct {
	Want Wanted
	// Names are "system.NAME", "home.NAME", "derivation.NAME", "environment.NAME",
	// "module.M.derivation.NAME", or a NAME that only one of the first three has. A key
	// follows the name of what is one of a for_each: derivation.NAME["KEY"], or without
	// the quotes; derivation.NAME alone is all of them. "" is the only system, or the only
	// home or derivation where there is no system.
	Names []string
	// Host is what this machine is called, and User who is asking.
	Host, User string
}

// A Target is something to build.
type Target struct {
	// Label is its address, as in "derivation.hello".
	Label string
	// Ref is its output.
	Ref derivations.Ref
	// Shell is a derivation that is built in the environment that the target is, if it
	// is one.
	Shell *derivations.Ref
	// System is what a system or home consists of, when [WantSystem] asked for it.
	System *systems.Definition
}

// Entered is the derivation whose environment is entered.
func (t *Target) Entered() derivations.Ref {
	if t.Shell != nil {
		return *t.Shell
	}
	return t.Ref
}

// A seeker finds what a request names. Diagnostics are kept in the order in which
// they came, those of each step by themselves.
type seeker struct {
	p          *Project
	host, user string
	shown      []diag.List
	// definitions is set when those of systems are wanted.
	definitions bool
}

// errDiagnosed says that what is wrong is among the diagnostics.
var errDiagnosed = errors.New("the definition has errors")

func (s *seeker) show(diags diag.List) error {
	diags = s.p.unlocked(diags)
	if len(diags) > 0 {
		s.shown = append(s.shown, diags)
	}
	if diags.HasErrors() {
		return errDiagnosed
	}
	return nil
}

func (s *seeker) seek(ctx context.Context, r Request) ([]Target, error) {
	switch r.Want {
	case WantAll:
		return s.each(ctx, s.everything(), s.target)
	case WantSystem:
		s.definitions = true
		return s.each(ctx, r.Names, s.system)
	case WantEnvironment:
		return s.each(ctx, r.Names, s.environment)
	case WantOne:
		return s.each(ctx, r.Names, s.target)
	}
	var names []string
	for _, name := range r.Names {
		names = append(names, s.members(name)...)
	}
	return s.each(ctx, names, s.target)
}

func (s *seeker) each(ctx context.Context, names []string, find func(context.Context, string) (Target, error)) ([]Target, error) {
	targets := make([]Target, len(names))
	for i, name := range names {
		var err error
		if targets[i], err = find(ctx, name); err != nil {
			return nil, err
		}
	}
	return targets, nil
}

// everything names all that can be built.
func (s *seeker) everything() []string {
	var names []string
	for _, name := range s.p.Derivations() {
		names = append(names, "derivation."+name)
	}
	for _, name := range s.p.Environments() {
		names = append(names, "environment."+name)
	}
	return append(names, s.p.addresses()...)
}

// members are what a block with for_each makes, or the name itself.
func (s *seeker) members(name string) []string {
	for _, full := range []string{name, "derivation." + name} {
		if members, ok := s.p.Members(full); ok {
			return members
		}
	}
	return []string{name}
}

func (s *seeker) target(ctx context.Context, name string) (Target, error) {
	if rest, ok := strings.CutPrefix(name, "environment."); ok {
		return s.environmentNamed(ctx, rest)
	}
	rest, isDerivation := strings.CutPrefix(name, "derivation.")
	isDerivation = isDerivation || strings.HasPrefix(name, ModulePrefix)
	derivationNames := s.p.Derivations()
	switch {
	case isDerivation:
	case name == "" && len(s.p.addresses()) == 0 && len(derivationNames) == 1:
		rest, isDerivation = derivationNames[0], true
	case name == "" && len(s.p.addresses()) == 0 && len(derivationNames) > 1:
		return Target{}, fmt.Errorf("there are several derivations in %s, say which: %s", s.p.Dir(), strings.Join(derivationNames, ", "))
	default:
		isDerivation = !slices.Contains(s.p.Systems(), name) && !slices.Contains(s.p.Homes(), name) && s.p.IsDerivation(name)
	}
	if !isDerivation {
		return s.system(ctx, name)
	}
	d, diags := s.p.Derivation(ctx, rest)
	if err := s.show(diags); err != nil {
		return Target{}, err
	}
	return Target{Label: d.Address, Ref: d.Ref()}, nil
}

func (s *seeker) environment(ctx context.Context, name string) (Target, error) {
	names := s.p.Environments()
	switch {
	case name != "":
		return s.environmentNamed(ctx, strings.TrimPrefix(name, "environment."))
	case len(names) == 0:
		return Target{}, fmt.Errorf("there is no environment in %s; sysc develop enters that of a derivation, sysc shell --failed what a failed build has left", s.p.Dir())
	case len(names) > 1:
		return Target{}, fmt.Errorf("there are several environments, say which: %s", strings.Join(names, ", "))
	}
	return s.environmentNamed(ctx, names[0])
}

func (s *seeker) environmentNamed(ctx context.Context, name string) (Target, error) {
	e, diags := s.p.Environment(ctx, name)
	if err := s.show(diags); err != nil {
		return Target{}, err
	}
	return Target{Label: e.Address, Ref: e.Root, Shell: &e.Shell}, nil
}

func (s *seeker) system(ctx context.Context, name string) (Target, error) {
	address, err := s.p.SystemAddress(name, s.host, s.user)
	if err != nil {
		return Target{}, err
	}
	system, diags := s.p.System(ctx, address)
	if err := s.show(diags); err != nil {
		return Target{}, err
	}
	ref, err := systems.Compose(s.p.Graph(), system.Definition)
	if err != nil {
		return Target{}, err
	}
	t := Target{Label: address, Ref: ref}
	if s.definitions {
		t.System = &system.Definition
	}
	return t, nil
}

// SystemAddress is the address of the system or home that an argument stands for:
// "system.NAME", "home.NAME", or a NAME, that of a system first. "home" is the only home,
// or the one that is called like user. Without an argument it is the only system, or the
// one that is called like this machine, host; where there is no system, what "home" is.
func (p *Project) SystemAddress(arg, host, user string) (string, error) {
	if _, name := splitAddress(arg); name != arg {
		return arg, nil
	}
	names, homes := p.Systems(), p.Homes()
	switch {
	case slices.Contains(names, arg):
		return systems.Machine.Address(arg), nil
	case slices.Contains(homes, arg):
		return systems.Home.Address(arg), nil
	case arg == systems.Home.String(), arg == "" && len(names) == 0 && len(homes) > 0:
		return p.oneOf(systems.Home, homes, user)
	case arg != "":
		return systems.Machine.Address(arg), nil
	}
	return p.oneOf(systems.Machine, names, host)
}

// oneOf is the only one of some names, or the one that is called like called.
func (p *Project) oneOf(kind systems.Kind, names []string, called string) (string, error) {
	switch {
	case len(names) == 1:
		return kind.Address(names[0]), nil
	case len(names) == 0:
		return "", fmt.Errorf("there is no %s in %s", kind, p.Dir())
	case called != "" && slices.Contains(names, called):
		return kind.Address(called), nil
	}
	return "", fmt.Errorf("there are several %ss, say which: %s", kind, strings.Join(names, ", "))
}
