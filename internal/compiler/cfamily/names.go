package cfamily

import "path"

// ObjectPath is where the main output goes: -o, or the source's name with
// another extension, in the working directory.
func (c *Command) ObjectPath(ext string) string {
	if c.Object != "" {
		return c.Object
	}
	return stem(c.Source) + ext
}

// Beside names a file after the object: its path with another extension; after
// the source, in the working directory, where there is no -o.
func (c *Command) Beside(ext string) string {
	if c.Object == "" {
		return stem(c.Source) + ext
	}
	return join(path.Dir(c.Object), stem(c.Object)+ext)
}

// SourceBeside names a file after the source in the object's directory.
func (c *Command) SourceBeside(ext string) string {
	if c.Object == "" {
		return c.SourceHere(ext)
	}
	return join(path.Dir(c.Object), c.SourceHere(ext))
}

// SourceHere names a file after the source in the working directory.
func (c *Command) SourceHere(ext string) string { return stem(c.Source) + ext }

// join keeps "name" free of "./", as compilers spell it.
func join(dir, name string) string {
	if dir == "." {
		return name
	}
	if dir == "/" {
		return "/" + name
	}
	return dir + "/" + name
}

// DepFile returns where the list of dependencies goes.
func (c *Command) DepFile() string {
	if c.Dep.File != "" {
		return c.Dep.File
	}
	return c.Beside(".d")
}
