package main

import (
	"fmt"
	"path"
	"strings"
)

// fileChanges are what may happen to one file, which holds a line with "_V 1" or
// "= 1" that counts. Every text is harmless where another change came before.
func fileChanges(name string) []toggle {
	keep := "$S/" + strings.ReplaceAll(name, "/", "-")
	edit := func(from, to string) string {
		return fmt.Sprintf("sed -i 's/\\(_V\\|=\\) %s/\\1 %s/' %s", from, to, name)
	}
	// In place, and with the time stamp that it had.
	quiet := func(from, to string) string {
		return fmt.Sprintf("touch -r %[1]s $S/time; sed 's/\\(_V\\|=\\) %[3]s/\\1 %[4]s/' %[1]s >%[2]s.new && cat %[2]s.new >%[1]s; touch -r $S/time %[1]s", name, keep, from, to)
	}
	put := "mv " + name + " " + keep
	back := "rm -rf " + name + "; mv " + keep + " " + name
	aside := func(then string) toggle {
		return toggle{put + " && " + then, "[ -e " + keep + " ] && { " + back + "; }"}
	}
	return []toggle{
		{edit("1", "2"), edit("2", "1")},
		{edit("1", "2"), edit("2", "1")}, // twice: the plain edit is the most frequent
		{quiet("1", "2"), quiet("2", "1")},
		{edit("1", "10"), edit("10", "1")},
		{"cp -p " + name + " " + keep + ".c; echo >>" + name, "cat " + keep + ".c >" + name},
		{"cp -p " + name + " " + keep + ".t; : >" + name, "cat " + keep + ".t >" + name},
		{"touch " + name, "touch -d 2001-02-03 " + name},
		{"chmod 600 " + name, "chmod 644 " + name},
		{"cp " + name + " " + keep + ".same && mv " + keep + ".same " + name, "ln -f " + name + " " + keep + ".hard"},
		aside(":"),
		aside("mkdir " + name),
		aside("ln -s " + keep + " " + name),
		aside("ln -s nowhere " + name),
		aside("sed 's/ 1$/ 3/' " + keep + " >" + keep + ".3; ln -s " + keep + ".3 " + name),
	}
}

// appear are the ways in which a name comes into being in a directory that is
// searched before the one where the file lies.
func appear(dir, name, like string) []toggle {
	at := path.Join(dir, name)
	gone := "rm -rf " + at
	return []toggle{
		{"mkdir -p " + path.Dir(at) + "; sed 's/_V 1/_V 7/' " + like + " >" + at, gone},
		{"mkdir -p " + path.Dir(at) + "; cp " + like + " " + at, gone},
		{"mkdir -p " + at, gone},
		{"mkdir -p " + path.Dir(at) + "; ln -s nowhere " + at, gone},
		{"mkdir -p " + path.Dir(at) + "; ln -s $PWD/" + like + " " + at, gone},
		{"mkdir -p " + path.Dir(at) + "; : >" + at, gone},
	}
}

// directoryChanges are what may happen to one directory.
func directoryChanges(dir string) []toggle {
	keep := "$S/" + strings.ReplaceAll(dir, "/", "-") + ".d"
	back := "[ -d " + keep + " ] && { rm -rf " + dir + "; mv " + keep + " " + dir + "; }"
	return []toggle{
		{"mv " + dir + " " + keep, back},
		{"mv " + dir + " " + keep + " && ln -s " + keep + " " + dir, back},
		{"mv " + dir + " " + keep + " && cp -a " + keep + " " + dir, back},
		{"mv " + dir + " " + keep + " && cp -a " + keep + " " + dir + " && sed -i 's/_V 1/_V 5/' $(find " + dir + " -type f)", back},
		{"mv " + dir + " " + keep + " && : >" + dir, back},
		{"touch " + dir, "touch -d 2001-02-03 " + dir},
		{": >" + dir + "/unrelated", "rm -f " + dir + "/unrelated"},
	}
}

// outputChanges are what may lie where an output goes.
func outputChanges() []toggle {
	const all = "for f in out/*; do "
	return []toggle{
		{"rm -rf out/*", "rm -rf out/*"},
		{"rm -rf out/*", "rm -rf out/*"},
		{"chmod 444 out/*", "chmod 644 out/*"},
		{"chmod 600 out/*", "chmod 755 out/*"},
		{all + "[ -f $f ] && ln -f $f $f.hard; done", "rm -f out/*.hard"},
		{all + "[ -f $f ] && mv $f $f.real && ln -s ${f##*/}.real $f; done", "rm -rf out/*"},
		{all + "[ -f $f ] && : >$f; done", "rm -rf out/*"},
		{all + "[ -f $f ] && rm $f && mkdir $f; done", "rm -rf out/*"},
		{all + "[ -f $f ] && echo long >>$f; done", "rm -rf out/*"},
		{"[ -L out ] || { mv out out.real && ln -s out.real out; }", "[ -L out ] && rm out && mv out.real out"},
		{"mv out $S/out.gone", "mkdir -p out"},
	}
}
