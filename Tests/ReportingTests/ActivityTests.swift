import Kernels
import Testing

@testable import Reporting

@Suite(.serialized) struct ActivityTests {
  @Test("The time left follows from the part that is done, and nested activities have their own counts")
  func left() throws {
    let outer = Activity("reading \u{1b}a", of: 100)
    Activity.advance(by: 20)
    let later = outer.began + .seconds(3)
    #expect(ActivityLine.text(outer, 25, later) == "reading \\u{1B}a  25 %  0:00:09 left")
    #expect(ActivityLine.text(outer, 200, later) == "reading \\u{1B}a  100 %  0:00:00 left")
    #expect(ActivityLine.text(outer, 0, later) == "reading \\u{1B}a  0:00:03 so far")
    let inner = Activity("waiting")
    Activity.advance()
    #expect(Activity.current?.activity === inner && Activity.current?.done == 1)
    #expect(ActivityLine.text(inner, 1, inner.began + .seconds(70)) == "waiting  0:01:10 so far")
    inner.end()
    #expect(Activity.current?.activity === outer && Activity.current?.done == 20)
    outer.end()
    #expect(Activity.current == nil)
  }
}
