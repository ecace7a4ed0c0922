package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"sysc/internal/posixacl"
	"sysc/store/tree"
)

// own performs steps on files, one an argument: "chown:PATH:UID:GID" and the
// like, and prints what each returned.
func own(args []string) {
	for _, a := range args {
		w := strings.Split(a, ":")
		fmt.Printf("%s: %s\n", a, outcome(ownStep(w[0], w[1], w[2:])))
	}
}

func ownStep(verb, path string, args []string) error {
	id := func(i int) int {
		n := 0
		fmt.Sscan(args[i], &n)
		return n
	}
	switch verb {
	case "chown":
		return unix.Chown(path, id(0), id(1))
	case "lchown":
		return unix.Lchown(path, id(0), id(1))
	case "fchown":
		f, err := os.OpenFile(path, os.O_RDONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		return unix.Fchown(int(f.Fd()), id(0), id(1))
	case "fchown-closed":
		return unix.Fchown(999, id(0), id(1))
	case "empty-path":
		fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Fchownat(fd, "", id(0), id(1), unix.AT_EMPTY_PATH)
	case "empty-path-without-flag":
		return unix.Fchownat(unix.AT_FDCWD, "", id(0), id(1), 0)
	case "bad-flag":
		return unix.Fchownat(unix.AT_FDCWD, path, id(0), id(1), 0x8)
	case "bad-address":
		_, _, e := unix.RawSyscall6(unix.SYS_FCHOWNAT, atCWD, 8, uintptr(id(0)), uintptr(id(1)), 0, 0)
		return e
	case "at":
		fd, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Fchownat(fd, filepath.Base(path), id(0), id(1), 0)
	case "in":
		if err := unix.Chdir(filepath.Dir(path)); err != nil {
			return err
		}
		return unix.Fchownat(unix.AT_FDCWD, filepath.Base(path), id(0), id(1), unix.AT_SYMLINK_NOFOLLOW)
	case "by-proc":
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return unix.Chown(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), id(0), id(1))
	case "chroot":
		return unix.Chroot(path)
	case "create":
		return os.WriteFile(path, []byte("x"), 0o644)
	case "mkdir":
		return os.Mkdir(path, 0o755)
	case "symlink":
		return os.Symlink(args[0], path)
	case "mkfifo":
		return unix.Mkfifo(path, 0o644)
	case "chmod":
		mode := uint32(0)
		fmt.Sscanf(args[0], "%o", &mode)
		return unix.Chmod(path, mode)
	case "mode":
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		return fmt.Errorf("%o %d:%d", st.Mode&0o7777, st.Uid, st.Gid)
	case "rename":
		return os.Rename(path, args[0])
	case "link":
		return os.Link(path, args[0])
	case "become":
		for _, nr := range []uintptr{unix.SYS_SETUID, unix.SYS_SETGID, unix.SYS_SETREUID, unix.SYS_SETREGID,
			unix.SYS_SETRESUID, unix.SYS_SETRESGID, unix.SYS_SETFSUID, unix.SYS_SETFSGID, unix.SYS_SETGROUPS} {
			if r, _, e := unix.RawSyscall(nr, 33, 33, 33); e != 0 || r != 0 {
				return fmt.Errorf("call %d: %d, %w", nr, r, e)
			}
		}
		return fmt.Errorf("%d:%d", os.Geteuid(), os.Getegid())
	case "mknod":
		return unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3)))
	case "setcap":
		// cap_net_bind_service=ep, in revision 2.
		return unix.Setxattr(path, capabilityXattr, []byte("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0)
	case "set-acl", "fset-acl", "get-acl", "remove-acl":
		return aclStep(verb, path, args)
	case "has-cap":
		_, err := unix.Getxattr(path, capabilityXattr, make([]byte, 64))
		return err
	}
	return fmt.Errorf("no step %s", verb)
}

// aclOf is a list that lets a group read and search; "plain" is one that a mode can say,
// "none" takes one away, and "bad" is none.
func aclOf(group string) string {
	a := posixacl.ACL{{Tag: posixacl.UserObj, Perm: 6, ID: posixacl.NoID}, {Tag: posixacl.GroupObj, Perm: 4, ID: posixacl.NoID}}
	switch group {
	case "bad":
		return "bad"
	case "none":
		return posixacl.ACL(nil).Encode()
	case "plain":
	default:
		id := uint32(0)
		fmt.Sscan(group, &id)
		a = append(a, posixacl.Entry{Tag: posixacl.Group, Perm: 5, ID: id}, posixacl.Entry{Tag: posixacl.Mask, Perm: 5, ID: posixacl.NoID})
	}
	return append(a, posixacl.Entry{Tag: posixacl.Other, Perm: 0, ID: posixacl.NoID}).Encode()
}

// aclStep sets, shows or removes a list: args are "access" or "default", and a group.
func aclStep(verb, path string, args []string) error {
	name := map[string]string{"access": posixacl.Access, "default": posixacl.Default}[args[0]]
	switch verb {
	case "set-acl":
		return unix.Setxattr(path, name, []byte(aclOf(args[1])), 0)
	case "fset-acl": // as systemd-tmpfiles does
		fd, err := unix.Open(path, unix.O_PATH|unix.O_NOFOLLOW, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Setxattr(fmt.Sprintf("/proc/self/fd/%d", fd), name, []byte(aclOf(args[1])), 0)
	case "remove-acl":
		return unix.Removexattr(path, name)
	}
	if _, err := unix.Getxattr(path, name, make([]byte, 5)); err != nil && err != unix.ERANGE {
		return err
	}
	size, err := unix.Getxattr(path, name, nil)
	if err != nil {
		return err
	}
	value := make([]byte, size)
	if _, err := unix.Getxattr(path, name, value); err != nil {
		return err
	}
	a, err := posixacl.Parse(string(value))
	if err != nil {
		return err
	}
	text := ""
	for _, e := range a {
		text += fmt.Sprintf(" %d", e.Perm)
		if e.ID != posixacl.NoID {
			text += fmt.Sprintf("(%d)", e.ID)
		}
	}
	return fmt.Errorf("%s", text[1:])
}

// Access control lists that name groups which do not exist on the host are recorded,
// shown, and kept.
func TestACLsAreRecorded(t *testing.T) {
	none := errnoName(unix.ENODATA)
	acl := func(name, group string) []tree.Xattr { return []tree.Xattr{{Name: name, Value: aclOf(group)}} }
	for name, c := range map[string]struct {
		steps []string // each with what it prints behind " = ", "ok" else
		path  string
		kept  []tree.Xattr
	}{
		"set": {[]string{"set-acl:/top:access:4", "get-acl:/top:access = 6 4 5(4) 5 0", "mode:/top = 650 0:0", "get-acl:/top:default = " + none},
			"top", acl(posixacl.Access, "4")},
		"by descriptor": {[]string{"fset-acl:/etc:access:4", "fset-acl:/etc:default:4", "get-acl:/etc:default = 6 4 5(4) 5 0"},
			"etc", append(acl(posixacl.Access, "4"), acl(posixacl.Default, "4")...)},
		"default of a file": {[]string{"set-acl:/top:default:4 = EACCES"}, "top", nil},
		"plain":             {[]string{"set-acl:/top:access:4", "set-acl:/top:access:plain", "get-acl:/top:access = " + none, "mode:/top = 640 0:0"}, "top", nil},
		"malformed":         {[]string{"set-acl:/top:access:bad = EINVAL", "set-acl:/none:access:4 = ENOENT"}, "top", nil},
		"removed":           {[]string{"set-acl:/etc:default:4", "remove-acl:/etc:default", "get-acl:/etc:default = " + none}, "etc", nil},
		"taken away":        {[]string{"set-acl:/top:access:4", "set-acl:/top:access:none", "get-acl:/top:access = " + none}, "top", nil},
		"then a mode":       {[]string{"set-acl:/top:access:4", "chmod:/top:750", "chmod:/top:650", "get-acl:/top:access = 6 4 5(4) 5 0"}, "top", acl(posixacl.Access, "4")},
		"a mode shows":      {[]string{"set-acl:/top:access:4", "chmod:/top:704", "get-acl:/top:access = 7 4 5(4) 0 4"}, "", nil},
		"moved":             {[]string{"set-acl:/top:access:4", "rename:/top:/home/top"}, "home/top", acl(posixacl.Access, "4")},
		"with an owner":     {[]string{"chown:/top:7:8", "set-acl:/top:access:4", "mode:/top = 650 7:8"}, "top", acl(posixacl.Access, "4")},
		"through a link":    {[]string{"symlink:/l:top", "set-acl:/l:access:4"}, "top", acl(posixacl.Access, "4")},
		"an input":          {[]string{"set-acl:" + helperPath + ":access:4 = EROFS"}, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			var steps []string
			want := ""
			for _, s := range c.steps {
				step, result, other := strings.Cut(s, " = ")
				if !other {
					result = "ok"
				}
				steps = append(steps, step)
				want += step + ": " + result + "\n"
			}
			f := newFixture(t).writable().builder(append([]string{"own"}, steps...)...)
			if got := f.output(); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			if c.path == "" {
				return
			}
			var kept []tree.Xattr
			var st unix.Stat_t
			path := filepath.Join(f.spec.Root, c.path)
			must(t, unix.Stat(path, &st))
			var have []tree.Xattr
			for _, name := range []string{accessXattr, defaultXattr, OwnerXattr} {
				value := make([]byte, 256)
				if n, err := unix.Getxattr(path, name, value); err == nil {
					have = append(have, tree.Xattr{Name: name, Value: string(value[:n])})
				}
			}
			_, _, _, _, kept = Meta(c.path, &st, have)
			if !slices.Equal(kept, c.kept) {
				t.Errorf("kept %q, want %q", kept, c.kept)
			}
		})
	}
}

// atCWD is AT_FDCWD as a system call's argument.
const atCWD = ^uintptr(99)

// ownFast changes the owner of a file many times.
func ownFast(args []string) {
	n := 0
	fmt.Sscan(args[1], &n)
	for i := range n {
		if err := unix.Chown(args[0], i, i+1); err != nil {
			fmt.Println(i, err)
			os.Exit(1)
		}
	}
}

// recorded returns the owner that the file below the fixture's root has.
func (f *fixture) recorded(path string) string {
	f.t.Helper()
	name := filepath.Join(f.spec.Root, path)
	if strings.HasPrefix(path, "/build/") {
		name = filepath.Join(f.build, strings.TrimPrefix(path, "/build/"))
	}
	if st, err := os.Lstat(name); err == nil && st.Mode().IsRegular() {
		os.Chmod(name, 0o644) // an ordinary user could not read it otherwise
	}
	var value [64]byte
	n, err := unix.Lgetxattr(name, OwnerXattr, value[:])
	if err == unix.ENODATA {
		return "none"
	}
	if err != nil {
		return err.Error()
	}
	return string(value[:n])
}

func TestOwnersAreRecorded(t *testing.T) {
	tests := []struct {
		name  string
		steps []string
		want  []string          // what each step printed; "" means ok
		owner map[string]string // afterwards
	}{
		{"file", []string{"chown:/top:33:44"}, nil, map[string]string{"/top": "33:44"}},
		{"directory", []string{"chown:/etc:1:2"}, nil, map[string]string{"/etc": "1:2", "/etc/name": "none"}},
		{"large ids", []string{"chown:/top:4294967294:65534"}, nil, map[string]string{"/top": "4294967294:65534"}},
		{"by descriptor", []string{"fchown:/top:5:6"}, nil, map[string]string{"/top": "5:6"}},
		{"by directory's descriptor", []string{"fchown:/etc:5:6"}, nil, map[string]string{"/etc": "5:6"}},
		{"by path descriptor", []string{"empty-path:/top:7:8"}, nil, map[string]string{"/top": "7:8"}},
		{"relative to a descriptor", []string{"at:/etc/name:9:10"}, nil, map[string]string{"/etc/name": "9:10"}},
		{"relative to the working directory", []string{"in:/etc/name:9:11"}, nil, map[string]string{"/etc/name": "9:11"}},
		{"through proc", []string{"by-proc:/top:3:4"}, nil, map[string]string{"/top": "3:4"}},
		{"through a link", []string{"symlink:/l:top", "chown:/l:3:4"}, nil, map[string]string{"/top": "3:4"}},
		{"a link itself", []string{"symlink:/l:top", "lchown:/l:3:4", "empty-path:/l:3:4"}, nil, map[string]string{"/top": "none"}},
		{"a dangling link", []string{"symlink:/l:none", "chown:/l:3:4", "lchown:/l:3:4"}, []string{"", "ENOENT", ""}, nil},
		{"a fifo", []string{"mkfifo:/build/f", "chown:/build/f:3:4"}, nil, nil},
		{"nothing there", []string{"chown:/no:1:1", "chown:/top/x:1:1", "fchown-closed:x:1:1", "empty-path-without-flag:x:1:1", "bad-flag:/top:1:1", "bad-address:x:1:1"},
			[]string{"ENOENT", "ENOTDIR", "EBADF", "ENOENT", "EINVAL", "EFAULT"}, map[string]string{"/top": "none"}},
		{"name too long", []string{"chown:/" + strings.Repeat("x/", 2100) + ":1:1"}, []string{"ENAMETOOLONG"}, nil},
		{"keep the former group", []string{"chown:/top:1:2", "chown:/top:3:-1"}, nil, map[string]string{"/top": "3:2"}},
		{"keep the former user", []string{"chown:/top:1:2", "chown:/top:-1:4"}, nil, map[string]string{"/top": "1:4"}},
		{"keep both", []string{"chown:/top:1:2", "chown:/top:-1:-1"}, nil, map[string]string{"/top": "1:2"}},
		{"group alone", []string{"chown:/top:-1:42"}, nil, map[string]string{"/top": "0:42"}},
		{"back to root", []string{"chown:/top:1:2", "chown:/top:0:0"}, nil, map[string]string{"/top": "none"}},
		{"root from the start", []string{"chown:/top:0:0"}, nil, map[string]string{"/top": "none"}},
		{"rename", []string{"create:/a", "chown:/a:1:2", "rename:/a:/b"}, nil, map[string]string{"/b": "1:2"}},
		{"rename over another", []string{"create:/a", "chown:/top:8:8", "chown:/a:1:2", "rename:/a:/top"}, nil, map[string]string{"/top": "1:2"}},
		{"hard link", []string{"create:/a", "link:/a:/b", "chown:/b:1:2"}, nil, map[string]string{"/a": "1:2", "/b": "1:2"}},
		{"unreadable file", []string{"chmod:/top:0", "chown:/top:1:2"}, nil, map[string]string{"/top": "1:2"}},
		{"set-id bits are cleared", []string{"chmod:/top:6755", "mode:/top", "chown:/top:1:2", "mode:/top"}, []string{"", "6755 0:0", "", "755 1:2"}, nil},
		{"also if nothing changes", []string{"chmod:/top:4755", "fchown:/top:-1:-1", "mode:/top"}, []string{"", "", "755 0:0"}, nil},
		{"but can be set again", []string{"chown:/top:0:42", "chmod:/top:2755", "mode:/top"}, []string{"", "", "2755 0:42"}, map[string]string{"/top": "0:42"}},
		{"a directory keeps setgid", []string{"chmod:/etc:2775", "chown:/etc:0:50", "mode:/etc"}, []string{"", "", "2775 0:50"}, map[string]string{"/etc": "0:50"}},
		{"capabilities are cleared", []string{"setcap:/top", "has-cap:/top", "chown:/top:1:2", "has-cap:/top"}, []string{"", "", "", "ENODATA"}, nil},
		{"read-only input", []string{"chown:" + helperPath + ":1:2"}, []string{"EROFS"}, nil},
		{"host's device", []string{"chown:/dev/null:1:2"}, []string{"EROFS"}, nil},
		{"the program of process 1", []string{"chown:/proc/1/exe:1:2", "chown:/proc/self/exe:1:2", "chown:/proc/self/root/top:1:2"}, []string{"ELOOP", "ELOOP", "ELOOP"}, map[string]string{"/top": "none"}},
		{"in a chroot", []string{"mkdir:/home/r", "create:/home/r/top", "symlink:/home/r/abs:/top", "chroot:/home/r", "chown:/abs:1:2", "chown:/../top:3:-1"}, nil,
			map[string]string{"/home/r/top": "3:2", "/top": "none"}},
		{"after a chroot of another", []string{"chown:/top:4:4"}, nil, map[string]string{"/top": "4:4"}},
		{"in a bind", []string{"create:/build/f", "chown:/build/f:1:2"}, nil, map[string]string{"/build/f": "1:2"}},
		{"becoming somebody", []string{"become:x"}, []string{"0:0"}, nil},
		{"a device", []string{"mknod:/home/null"}, []string{"EPERM"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFixture(t).writable().builder(append([]string{"own"}, tt.steps...)...)
			var want strings.Builder
			for i, s := range tt.steps {
				result := "ok"
				if i < len(tt.want) && tt.want[i] != "" {
					result = tt.want[i]
				}
				fmt.Fprintf(&want, "%s: %s\n", s, result)
			}
			if got := f.output(); got != want.String() {
				t.Errorf("got\n%swant\n%s", got, want.String())
			}
			for path, owner := range tt.owner {
				if got := f.recorded(path); got != owner {
					t.Errorf("%s: recorded %s, want %s", path, got, owner)
				}
			}
		})
	}
}

func TestManyOwnersInParallel(t *testing.T) {
	f := newFixture(t).writable().shell(`
		for i in 1 2 3 4; do ` + helperPath + ` builder own-fast /etc/name 300 & done
		wait
		chown 7:8 /etc/name`)
	f.output()
	if got := f.recorded("/etc/name"); got != "7:8" {
		t.Errorf("recorded %s, want 7:8", got)
	}
}

// What is recorded is what a file system with the builder's rights would have.
// All sequences run in one sandbox, each on files of its own.
func TestOwnersFollowAModel(t *testing.T) {
	type change struct {
		file, verb string
		uid, gid   int64
	}
	id := rapid.SampledFrom([]int64{-1, 0, 1, 33, 65534})
	sequences := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) change {
		return change{
			file: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "file"),
			verb: rapid.SampledFrom([]string{"chown", "fchown", "at", "lchown", "empty-path"}).Draw(rt, "verb"),
			uid:  id.Draw(rt, "uid"),
			gid:  id.Draw(rt, "gid"),
		}
	}), 1, 12)

	type owner struct{ uid, gid int64 }
	model := map[string]owner{}
	var steps []string
	for seed := range 200 {
		for _, name := range []string{"a", "b", "c"} {
			path := fmt.Sprintf("/home/%d%s", seed, name)
			steps = append(steps, "create:"+path)
			model[path] = owner{}
		}
		for _, c := range sequences.Example(seed) {
			path := fmt.Sprintf("/home/%d%s", seed, c.file)
			steps = append(steps, fmt.Sprintf("%s:%s:%d:%d", c.verb, path, c.uid, c.gid))
			o := model[path]
			if c.uid != -1 {
				o.uid = c.uid
			}
			if c.gid != -1 {
				o.gid = c.gid
			}
			model[path] = o
		}
	}
	f := newFixture(t).writable().builder(append([]string{"own"}, steps...)...)
	if out := f.output(); strings.Count(out, ": ok\n") != len(steps) {
		t.Fatalf("not all steps worked:\n%s", out)
	}
	for path, o := range model {
		want := fmt.Sprintf("%d:%d", o.uid, o.gid)
		if want == "0:0" {
			want = "none"
		}
		if got := f.recorded(path); got != want {
			t.Errorf("%s: recorded %s, want %s", path, got, want)
		}
	}
}
