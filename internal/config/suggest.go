package config

// nearest returns the candidate that differs least from s, or "" where none is
// near: one edit for each three characters, at least one. Of equally near ones
// it is the first.
func nearest(s string, candidates []string) string {
	best, limit := "", max(1, len(s)/3)+1
	if len(s) > 2*maxShown {
		return ""
	}
	for _, c := range candidates {
		if d := distance(s, c); d < limit {
			best, limit = c, d
		}
	}
	return best
}

// distance is the number of bytes to insert, delete or replace that makes b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
