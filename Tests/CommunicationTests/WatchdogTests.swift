import Communication
import Testing

@Suite struct WatchdogTests {
  @Test("The time of a step is the median of the last 16 steps, in ticks")
  func pace() {
    var pace = Pace(step: 7)
    #expect(pace.median == 0)
    var step = 7
    func pass(_ ticks: Int) {
      for _ in 1..<ticks { pace.tick(step: step) }
      step += 1
      pace.tick(step: step)
    }
    pass(5)
    #expect(pace.median == 5)
    for ticks in [1, 9, 7, 200] { pass(ticks) }
    #expect(pace.median == 7)
    for _ in 0..<16 { pass(3) }
    #expect(pace.median == 3)
    // There are several steps within a tick, and a rollback.
    for _ in 0..<16 {
      step += 4
      pace.tick(step: step)
    }
    #expect(pace.median == 0)
    step = 0
    pace.tick(step: step)
    #expect(pace.median == 0)
  }

  @Test("The longer limit holds from a long phase until the next update")
  func mark() {
    let clock = PhaseClock()
    clock.step = 41
    #expect(clock.mark.isLong && clock.mark.phase == .start && clock.stepUnderWay == 41)
    for phase in [Phase.wait, .data, .forward, .backward, .merge, .wait, .reduce] {
      let before = clock.mark.entered
      clock.enter(phase)
      #expect(clock.mark.isLong && clock.mark.phase == phase && clock.mark.entered == before + 1)
      #expect(clock.stepUnderWay == 42)
    }
    clock.enter(.update)
    #expect(!clock.mark.isLong)
    clock.enter(.wait)
    #expect(!clock.mark.isLong)
    for phase in [Phase.validate, .checkpoint, .pictures] {
      clock.enter(.update)
      clock.enter(phase)
      #expect(clock.mark.isLong)
      clock.enter(.wait)
      #expect(clock.mark.isLong)
    }
  }
}
