package systems

import (
	"context"
	"io/fs"
	"strings"

	"sysc/store/tree"
)

// skelPath holds what a new home directory begins with (useradd(8)).
const skelPath = "etc/skel"

// addAccounts merges declared users and groups into the root's account files.
// These are written only when they changed.
func (d *declarer) addAccounts(ctx context.Context, attrs *declareAttrs) error {
	read := func(path string) ([]byte, error) {
		e, ok, err := d.builder.Get(ctx, path)
		if err != nil || !ok || e.Type != tree.File {
			return nil, err
		}
		return readBlob(ctx, d.step.Store, e.Digest, maxAccountFile)
	}
	var err error
	if d.accounts, err = parseAccounts(read); err != nil {
		return err
	}
	if err := d.accounts.declare(attrs.Users, attrs.Groups); err != nil {
		return err
	}
	shadow, _ := d.accounts.gid("shadow")
	for _, f := range []struct {
		*accountFile
		fresh tree.Entry // owner and mode of a file that the root does not have
	}{
		{d.accounts.passwd, tree.Entry{Mode: 0o644}},
		{d.accounts.group, tree.Entry{Mode: 0o644}},
		{d.accounts.shadow, tree.Entry{Mode: 0o640, GID: shadow}},
		{d.accounts.gshadow, tree.Entry{Mode: 0o640, GID: shadow}},
	} {
		if !f.changed {
			continue
		}
		e, ok, err := d.builder.Get(ctx, f.path)
		if err != nil {
			return err
		}
		if !ok {
			e = f.fresh
		}
		made, err := d.text(ctx, f.encode())
		if err != nil {
			return err
		}
		e.Type, e.Digest, e.Size, e.Target = tree.File, made.Digest, made.Size, ""
		if err := d.builder.Put(ctx, f.path, e); err != nil {
			return err
		}
		d.taken[f.path] = declaration{what: "the file with the declared users and groups"}
	}
	return nil
}

// homes makes the home directories of declared users that are people: mode 0700,
// owned by the user, with a copy of /etc/skel. A directory that is there is left
// alone. A system user's home is whatever declares it, as for useradd --system.
func (d *declarer) homes(ctx context.Context, users []User) error {
	for _, u := range users {
		if u.System || u.Home == "" || u.Home == "/" || u.Home == "/nonexistent" {
			continue
		}
		this := declaration{what: "home of user " + u.Name, position: u.Position}
		place, err := d.resolve(ctx, u.Home, true)
		if err != nil {
			return this.errorf("%v", err)
		}
		if Volatile(topLevel(place)) {
			continue
		}
		if e, ok, err := d.builder.Get(ctx, place); err != nil {
			return err
		} else if ok && e.Type != tree.Dir {
			return this.errorf("the root has a file at %s", u.Home)
		} else if ok {
			continue
		}
		if err := d.home(ctx, place, u.Name); err != nil {
			return err
		}
	}
	return nil
}

func (d *declarer) home(ctx context.Context, place, user string) error {
	line, _ := d.accounts.passwd.line(user)
	uid, _ := d.accounts.uid(user)
	gid, _ := d.accounts.gid(line[passwdGID])
	if err := d.builder.Mkdir(ctx, place, tree.Entry{Type: tree.Dir, Mode: 0o700, UID: uid, GID: gid}); err != nil {
		return err
	}
	skel, ok, err := d.builder.Get(ctx, skelPath)
	if err != nil || !ok || skel.Type != tree.Dir {
		return err
	}
	return d.copySkel(ctx, skelPath, place, uid, gid)
}

// copySkel copies the entries of one directory of the root, with another owner.
func (d *declarer) copySkel(ctx context.Context, from, to string, uid, gid uint32) error {
	if strings.Count(from, "/") > tree.MaxDepth {
		return fs.ErrInvalid
	}
	entries, err := d.builder.List(ctx, from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name
		e.UID, e.GID = uid, gid
		if e.Type != tree.Dir {
			if err := d.builder.Put(ctx, to+"/"+name, e); err != nil {
				return err
			}
			continue
		}
		if err := d.builder.Mkdir(ctx, to+"/"+name, tree.Entry{Type: tree.Dir, Mode: e.Mode, UID: uid, GID: gid}); err != nil {
			return err
		}
		if err := d.copySkel(ctx, from+"/"+name, to+"/"+name, uid, gid); err != nil {
			return err
		}
	}
	return nil
}
