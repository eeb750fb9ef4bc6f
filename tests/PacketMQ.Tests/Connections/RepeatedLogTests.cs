using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;
using PacketMQ.Connections;

namespace PacketMQ.Tests.Connections;

public sealed class RepeatedLogTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly FakeLogCollector _collector = new();
    private readonly RepeatedLog _log;

    public RepeatedLogTests() => _log = new RepeatedLog(new FakeLogger(_collector), _time);

    private IEnumerable<string> Lines => _collector.GetSnapshot().Select(record => record.Message);

    [Fact]
    public void The_first_of_a_kind_is_news_and_the_others_of_its_second_are_a_count()
    {
        Assert.True(_log.IsNews(103, "reason.a"));
        Assert.True(_log.IsNews(103, "reason.b"));
        Assert.True(_log.IsNews(104, "reason.a"));
        for (int i = 0; i < 5_000; i++)
            Assert.False(_log.IsNews(103, "reason.a"));
        Assert.Empty(Lines);

        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(_log.IsNews(103, "reason.a"));
        Assert.Equal(["5000 more events 103 like the last one (reason.a) were not logged one by one."], Lines);
    }

    [Fact]
    public void The_count_is_told_by_the_heartbeat_if_nothing_more_comes_and_a_quiet_kind_is_news_again()
    {
        Assert.True(_log.IsNews(103, "reason.a"));
        Assert.False(_log.IsNews(103, "reason.a"));
        _log.Flush();
        Assert.Empty(Lines);

        _time.Advance(TimeSpan.FromSeconds(1));
        _log.Flush();
        Assert.Single(Lines);
        _time.Advance(TimeSpan.FromSeconds(1));
        _log.Flush();
        Assert.Single(Lines);
        Assert.True(_log.IsNews(103, "reason.a"));
    }

    [Fact]
    public void At_the_end_nothing_is_held_back()
    {
        _log.IsNews(103, "reason.a");
        _log.IsNews(103, "reason.a");
        _log.Flush(isLast: true);
        Assert.Single(Lines);
    }

    [Fact]
    public void Whoever_thinks_of_a_new_kind_each_time_gets_no_line_for_each()
        => Assert.Equal(65, Enumerable.Range(0, 10_000).Count(i => _log.IsNews(103, $"reason.{i}")));
}
