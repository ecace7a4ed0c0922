package lock

import (
	"errors"
	"fmt"

	"sysc/internal/gitfetch"
	"sysc/internal/lazyregexp"
	"sysc/internal/ocifetch"
	"sysc/store"
)

// The types of inputs.
const (
	typeDebian  = "debian"
	TypeOCI     = "oci"
	TypeGit     = "git"
	TypeArchive = "archive"
	TypeFile    = "file"
)

// A Pin is what an input is that is fetched as a whole: an image, a commit, an archive
// or a file.
type Pin struct {
	// Version is that of the tag, "" when no version was chosen.
	Version string `json:"version,omitempty"`
	// Ref is the tag, the branch or "HEAD" that led there; "" for an archive or a file,
	// and where the digest or commit itself was asked for.
	Ref string `json:"ref,omitempty"`
	// Commit is the whole hash of a commit, and Tree the digest of its files.
	Commit string       `json:"commit,omitempty"`
	Tree   store.Digest `json:"tree,omitzero"`
	// Digest is that of an image's manifest or index, and Roots are those of what it has
	// for platforms, by their names, as in "linux/amd64".
	Digest store.Digest            `json:"digest,omitzero"`
	Roots  map[string]store.Digest `json:"roots,omitempty"`
	// SHA256 and Size, in bytes, are those of an archive or file.
	SHA256 store.Digest `json:"sha256,omitzero"`
	Size   int64        `json:"size,omitempty"`
}

// ID is what tells one state from another: a commit or a digest.
func (p Pin) ID() string {
	switch {
	case p.Commit != "":
		return p.Commit
	case !p.Digest.IsZero():
		return p.Digest.String()
	}
	return p.SHA256.String()
}

// pinnedJSON is an input that is not of type "debian", as it is written.
type pinnedJSON struct {
	Type     string       `json:"type"`
	Settings store.Digest `json:"settings"`
	Pin
}

var platformPattern = lazyregexp.New(`^[a-z0-9]+/[a-z0-9]+$`)

// checkPin checks what later stages take for granted, and what becomes part of git's
// command line.
func checkPin(inputType string, p Pin, indexes bool) error {
	hasImage := !p.Digest.IsZero() || len(p.Roots) > 0
	hasCommit := p.Commit != "" || !p.Tree.IsZero()
	hasFile := !p.SHA256.IsZero() || p.Size != 0
	hasRef := p.Ref != "" || p.Version != ""
	kinds := map[string][5]bool{ // indexes, image, commit, file, ref: what there may be
		typeDebian: {true, false, false, false, false}, TypeOCI: {false, true, false, false, true}, TypeGit: {false, false, true, false, true},
		TypeArchive: {false, false, false, true, false}, TypeFile: {false, false, false, true, false},
	}
	may, ok := kinds[inputType]
	if !ok {
		return fmt.Errorf("this sysc has no inputs of type %q", inputType)
	}
	for i, has := range [...]bool{indexes, hasImage, hasCommit, hasFile, hasRef} {
		if has && !may[i] {
			return fmt.Errorf("something that an input of type %q has not", inputType)
		}
	}
	switch inputType {
	case TypeGit:
		return p.checkCommit()
	case TypeOCI:
		return p.checkImage()
	case TypeArchive, TypeFile:
		if p.SHA256.IsZero() || p.Size < 0 {
			return errors.New("no hash, or a negative size")
		}
	}
	return nil
}

func (p Pin) checkCommit() error {
	if p.Tree.IsZero() {
		return errors.New("no tree")
	}
	if err := gitfetch.CheckCommit(p.Commit); err != nil || p.Ref == "" {
		return err
	}
	return gitfetch.CheckRef(p.Ref)
}

func (p Pin) checkImage() error {
	if p.Digest.IsZero() {
		return errors.New("no digest")
	}
	for platform, root := range p.Roots {
		if !platformPattern().MatchString(platform) || root.IsZero() {
			return fmt.Errorf("the root of platform %q", platform)
		}
	}
	if p.Ref == "" {
		return nil
	}
	return ocifetch.CheckTag(p.Ref)
}
