/// Returns the product of sizes, 1 for no sizes; nil if a size is negative or the product overflows.
///
/// A size of 0 makes the product 0, but the other sizes must still be valid.
package func checkedProduct(_ sizes: [Int]) -> Int? {
  var result = 1
  for size in sizes {
    let (next, overflow) = result.multipliedReportingOverflow(by: size)
    if overflow || size < 0 { return nil }
    result = next
  }
  return result
}
